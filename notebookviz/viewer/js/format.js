/** Numbers, shapes and sizes as people write them. */

const UNITS = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']];

/** @param {number} number @returns {string} Three digits and a unit: `25.6 M`. */
export function count(number) {
    for (const [size, unit] of UNITS) {
        if (number >= size * 0.9995) {
            return `${Number((number / size).toPrecision(3))} ${unit}`;
        }
    }
    return String(number);
}

/**
 * All digits in groups of three.  The browser's own `toLocaleString` reads its tables first, 40 ms in a page that has just begun.
 * @param {number} number
 * @returns {string} `25,557,032`
 */
export function digits(number) {
    const [integer, fraction] = String(number).split('.');
    return [integer.replace(/(?<=\d)(?=(?:\d{3})+$)/g, ','), ...(fraction ? [fraction] : [])].join('.');
}

/** @param {number} bytes @returns {string} `3.06 MB`. */
export function memory(bytes) {
    const text = count(bytes);
    return text.includes(' ') ? `${text}B` : `${text} B`;
}

/** @param {number} part @param {number} whole @returns {string} `8.2%`, empty for nothing. */
export function share(part, whole) {
    if (!part || !whole) {
        return '';
    }
    const percent = (100 * part) / whole;
    return percent < 0.05 ? '<0.1%' : `${percent.toFixed(percent < 99.95 ? 1 : 0)}%`;
}

/** @param {number[]} dimensions @returns {string} `1×64×112×112`; a scalar is `scalar`. */
export function shape(dimensions) {
    return dimensions.length ? dimensions.join('×') : 'scalar';
}

/** @param {[string, number[], string]} type @returns {string} `1×64×112×112`, with the data type unless it is float32. */
export function tensor([dtype, dimensions]) {
    return dtype === 'float32' ? shape(dimensions) : `${shape(dimensions)} ${dtype}`;
}

/** @param {number} seconds @returns {string} `0.08 s`. */
export function seconds(seconds) {
    return seconds < 10 ? `${seconds.toFixed(2)} s` : `${Math.round(seconds)} s`;
}
