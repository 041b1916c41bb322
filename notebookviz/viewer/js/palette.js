/**
 * Colours for values: a ramp that is read by its lightness, also by eyes that see few hues, and seven colours for words
 * (Okabe and Ito's).  More is further from the background.  Knows no DOM.
 */

const STEPS = 9;
const WORDS = ['#56b4e9', '#e69f00', '#009e73', '#f0e442', '#cc79a7', '#0072b2', '#d55e00'];

/** Words beyond the seventh share this colour, and so does what is mixed. */
export const OTHER = '#9aa1ab';

/** Numbers that are none, and infinite ones. */
export const ODD = '#b3261e';

/** How many words have a colour of their own. */
export const MOST_WORDS = WORDS.length;

/**
 * @param {number} part From 0 to 1.
 * @param {'light'|'dark'} theme
 * @returns {string} A colour between pale yellow and deep blue.
 */
export function ramp(part, theme) {
    const at = theme === 'dark' ? 0.93 * (1 - part) : part;
    return hex(0.945 - 0.605 * at, 0.075 + 0.055 * Math.sin(Math.PI * at), 105 + 165 * at);
}

/** @param {'light'|'dark'} theme @returns {string[]} The ramp from least to most. */
export function ramps(theme) {
    return Array.from({ length: STEPS }, (_, step) => ramp(step / (STEPS - 1), theme));
}

/** @param {number} index @returns {string} The colour of a word by its place. */
export function wordColour(index) {
    return WORDS[index] ?? OTHER;
}

/** @param {string} fill @returns {string} Black or white, whichever reads better: one of them has a contrast of 4.5 on any colour. */
export function ink(fill) {
    const light = luminance(fill);
    return (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) ? '#000000' : '#ffffff';
}

/** @param {string} colour @returns {number} Relative luminance. */
export function luminance(colour) {
    const [red, green, blue] = [1, 3, 5].map((at) => {
        const part = parseInt(colour.slice(at, at + 2), 16) / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Oklch, in which equal steps look equal, as sRGB. */
function hex(lightness, chroma, hue) {
    const angle = (hue * Math.PI) / 180;
    const [a, b] = [chroma * Math.cos(angle), chroma * Math.sin(angle)];
    const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
    const linear = [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s
    ];
    const bytes = linear.map((part) => {
        const shown = part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055;
        return Math.round(255 * Math.min(1, Math.max(0, shown || 0)));
    });
    return `#${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}
