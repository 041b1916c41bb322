/**
 * Text of unknown origin, made fit to be shown as text.
 */

const LONGEST = 300;

/**
 * One line of at most `length` characters; what was cut is marked.
 * @param {string} text
 * @param {number} [length]
 * @returns {string}
 */
export function line(text, length = LONGEST) {
    return cut(String(text).replace(/[\s\u0000-\u001f\u007f\u2028\u2029]+/g, ' '), length);
}

/**
 * At most `length` characters, the middle left out; line breaks stay.
 * @param {string} text
 * @param {number} [length]
 * @returns {string}
 */
export function cut(text, length = LONGEST) {
    const characters = text.length > length ? Array.from(text.slice(0, 4 * length)) : [];
    if (text.length <= length || (characters.length <= length && text.length <= 4 * length)) {
        return text;
    }
    const half = Math.floor((length - 1) / 2);
    return `${characters.slice(0, half).join('')}…${Array.from(text.slice(-2 * half)).slice(-half).join('')}`;
}

/**
 * A copy in which every text is escaped: Netron's documentation sidebar writes texts as HTML.
 * @param {any} value
 * @param {number} [depth]
 * @returns {any}
 */
export function escaped(value, depth = 4) {
    if (typeof value === 'string') {
        return cut(value, 20000).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
    }
    if (Array.isArray(value)) {
        return depth > 0 ? value.slice(0, 500).map((item) => escaped(item, depth - 1)) : [];
    }
    if (value && typeof value === 'object') {
        return depth > 0 ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escaped(item, depth - 1)])) : null;
    }
    return value;
}
