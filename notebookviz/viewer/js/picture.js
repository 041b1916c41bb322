/**
 * The drawing as a picture file, in the colours of the page.
 */

import { drawLegend } from './legend.js';

const MARGIN = 24;
const LARGEST = 16000;
const UNWRITABLE = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu; // in XML
const DROPPED = '#edge-paths-hit-test, #background';

/**
 * @param {Document} document
 * @param {{originX: number, originY: number, width: number, height: number}} target Netron's drawn graph.
 * @param {'svg'|'png'} kind
 * @param {import('./legend.js').Legend|null} [legend] What the colours mean.
 * @returns {Promise<Blob>}
 */
export async function picture(document, target, kind, legend = null) {
    const key = legend && drawLegend(document, legend);
    const width = Math.ceil(Math.max(target.width, key?.width ?? 0) + 2 * MARGIN);
    const height = Math.ceil(target.height + (key ? key.height + MARGIN : 0) + 2 * MARGIN);
    const [x, y] = [target.originX - MARGIN, target.originY - MARGIN];
    const clone = document.getElementById('canvas').cloneNode(true);
    clone.querySelectorAll(DROPPED).forEach((element) => element.remove());
    clone.querySelectorAll('.nbv-stuck').forEach((element) => element.classList.remove('nbv-stuck'));
    clone.querySelector('#origin').removeAttribute('transform');
    clone.removeAttribute('style');
    clone.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    clone.setAttribute('width', width);
    clone.setAttribute('height', height);
    clone.setAttribute('viewBox', `${x} ${y} ${width} ${height}`);
    const style = document.createElementNS('http://www.w3.org/2000/svg', 'style');
    style.textContent = rules(document);
    const back = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    const colour = document.defaultView.getComputedStyle(document.body).backgroundColor;
    for (const [name, value] of Object.entries({ x, y, width, height, fill: colour })) {
        back.setAttribute(name, value);
    }
    clone.prepend(style, back);
    if (key) {
        key.element.setAttribute('transform', `translate(${x + MARGIN},${y + 2 * MARGIN + target.height})`);
        clone.append(key.element);
    }
    const text = new XMLSerializer().serializeToString(clone).replace(UNWRITABLE, '\uFFFD');
    const svg = new Blob([text], { type: 'image/svg+xml' });
    return kind === 'svg' ? svg : paint(document, svg, width, height);
}

/** The rules in force for drawn elements; media that don't apply now are left out, so the file looks the same anywhere. */
function rules(document) {
    const flat = (list) => [...list].flatMap((rule) => {
        if (!rule.media) {
            return [rule.cssText];
        }
        return rule.media.mediaText === 'all' || document.defaultView.matchMedia(rule.media.mediaText).matches ? flat(rule.cssRules) : [];
    });
    const sheets = ['netron-graph', 'notebookviz'].map((id) => document.getElementById(id).sheet);
    const style = document.defaultView.getComputedStyle(document.documentElement);
    const colours = [...new Set([...document.getElementById('notebookviz').textContent.matchAll(/var\((--[\w-]+)\)/g)].map((match) => match[1]))];
    return [`:root { ${colours.map((name) => `${name}: ${style.getPropertyValue(name)}`).join('; ')} }`, ...sheets.flatMap((sheet) => flat(sheet.cssRules))].join('\n');
}

async function paint(document, svg, width, height) {
    const scale = Math.min(2, LARGEST / Math.max(width, height));
    const text = await svg.text();
    const image = new Image();
    await new Promise((resolve, reject) => {
        image.onload = resolve;
        image.onerror = () => reject(new Error('The browser could not paint the picture. Save it as SVG instead.'));
        image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    });
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => {
        canvas.toBlob(resolve, 'image/png');
    });
    if (!blob) {
        throw new Error('The browser could not paint the picture. Save it as SVG instead.');
    }
    return blob;
}
