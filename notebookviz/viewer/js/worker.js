/**
 * The layout worker: the same messages as Netron's own, answered by the nested layout.
 */
import { Layout } from './layout.js';

/* global dagre */
const layout = new Layout(dagre);

self.addEventListener('message', ({ data }) => {
    try {
        if (data.type !== 'dagre.layout') {
            throw new Error(`Unsupported message type '${data.type}'.`);
        }
        layout.arrange(data);
        self.postMessage(data);
    } catch (error) {
        self.postMessage({ type: 'error', message: error.message });
    }
});
