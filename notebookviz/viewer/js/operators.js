/**
 * Which operators an ONNX file may hold: names that stand in it where protobuf puts the type of a node.
 */

const TYPE_FIELD = 0x22;
const LONGEST = 64;
const MANY = 4000;

/**
 * @param {Uint8Array} bytes
 * @returns {string[]} More than there are, never fewer; empty means unknown.
 */
export function operatorNames(bytes) {
    const found = new Set();
    for (let index = bytes.indexOf(TYPE_FIELD); index !== -1 && found.size < MANY; index = bytes.indexOf(TYPE_FIELD, index + 1)) {
        const length = bytes[index + 1];
        if (length > 0 && length <= LONGEST && index + 2 + length <= bytes.length) {
            const name = bytes.subarray(index + 2, index + 2 + length);
            if (name.every(isWord)) {
                found.add(String.fromCharCode(...name));
            }
        }
    }
    return found.size < MANY ? [...found] : [];
}

const isWord = (byte) => (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 95;
