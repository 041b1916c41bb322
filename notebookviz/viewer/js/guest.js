/**
 * Whose the wheel, the keys and the focus are: the notebook's until the graph is clicked.
 */

/**
 * @param {Window} window
 * @param {(message: object) => void} post
 * @param {() => any} view Gives Netron's view, once there is one.
 */
export function shareInput(window, post, view) {
    const { document } = window;
    const focus = window.HTMLElement.prototype.focus;
    // Netron focuses its canvas whenever it draws; only who is already here may move the focus.
    window.HTMLElement.prototype.focus = function guarded(options) {
        if (document.hasFocus()) {
            focus.call(this, { preventScroll: true, ...options });
        }
    };
    const inside = (value) => {
        if (document.documentElement.classList.contains('nbv-inside') !== value) {
            document.documentElement.classList.toggle('nbv-inside', value);
            post({ type: 'focus', inside: value });
        }
    };
    window.addEventListener('pointerdown', () => {
        inside(true);
        // Netron keeps the browser from moving the focus here, and keys would still go to the notebook.
        if (!document.hasFocus()) {
            window.focus();
            focus.call(document.getElementById('target'), { preventScroll: true });
        }
    }, true);
    window.addEventListener('blur', () => inside(false));
    window.addEventListener('wheel', (event) => {
        if (!document.documentElement.classList.contains('nbv-inside') && !(event.target instanceof window.Element && event.target.closest('#sidebar, #menu'))) {
            // Nothing here can scroll (page.css), so the browser scrolls the notebook; Netron must not zoom either.
            event.stopImmediatePropagation();
        }
    }, { capture: true, passive: true });
    window.addEventListener('keydown', (event) => {
        const drawing = view();
        const typing = event.target instanceof window.Element && event.target.matches('input, textarea, select');
        if (drawing) {
            drawing.typing = event.key !== 'Escape';
            setTimeout(() => {
                drawing.typing = false;
            });
        }
        if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
            event.preventDefault();
            event.stopImmediatePropagation();
            post({ type: 'key', key: '/' });
        } else if (!typing && drawing && !event.ctrlKey && !event.metaKey && !event.altKey && drawing.press(event.key, event.shiftKey)) {
            event.preventDefault();
            event.stopImmediatePropagation();
        } else if (event.key === 'Escape' && !open(document, 'sidebar') && !open(document, 'menu') && !document.body.classList.contains('about')) {
            inside(false);
            post({ type: 'key', key: 'Escape' });
        }
    }, true);
}

const open = (document, id) => Number(document.getElementById(id).style.opacity) > 0;
