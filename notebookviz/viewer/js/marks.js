/** What sets a module call apart, in words and in signs where words have no room. */

const MARKS = { failed: ['failed', '✕'], unfinished: ['not finished', '…'], uncalled: ['not called', '–'], unused: ['result unused', '–'], broadcast: ['broadcast', '!'] };

/** @param {string[]} marks @returns {string[]} Those that a row of the table tells, in words. */
export function said(marks) {
    return Object.keys(MARKS).filter((mark) => marks.includes(mark)).map((mark) => MARKS[mark][0]);
}

/** @param {string[]} words What `said` gave. @returns {string} */
export function signs(words) {
    return Object.values(MARKS).filter(([word]) => words.includes(word)).map(([, sign]) => sign).join('');
}
