/** Bytes in and out of text. */

/** @param {string} text Base64. @returns {Uint8Array} */
export function fromBase64(text) {
    const raw = atob(text.trim());
    const bytes = new Uint8Array(raw.length);
    for (let index = 0; index < raw.length; index++) {
        bytes[index] = raw.charCodeAt(index);
    }
    return bytes;
}

/** @param {Uint8Array} bytes Gzipped UTF-8. @returns {Promise<string>} */
export async function gunzip(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    return new Response(stream).text();
}

/** @param {Uint8Array} bytes @returns {Promise<Uint8Array>} Gzipped. */
export async function gzip(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('gzip'));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** @param {Uint8Array} bytes @returns {string} Base64. */
export function toBase64(bytes) {
    const parts = [];
    for (let start = 0; start < bytes.length; start += 0x8000) {
        parts.push(String.fromCharCode(...bytes.subarray(start, start + 0x8000)));
    }
    return btoa(parts.join(''));
}

/** @param {ArrayBuffer|ArrayBufferView} data What a front end makes of binary data. @returns {Uint8Array} */
export function asBytes(data) {
    if (ArrayBuffer.isView(data)) {
        return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
    return new Uint8Array(data);
}

/**
 * Let the browser save a file.
 * @param {string} name
 * @param {Uint8Array} bytes
 * @param {string} type
 */
export function download(name, bytes, type) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([bytes], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
