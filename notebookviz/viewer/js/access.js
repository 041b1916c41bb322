/** What Netron's sidebar and menu lack for those who use a keyboard or a screen reader. */

/** @param {Document} document */
export function nameControls(document) {
    for (const [id, label] of [['menu-button', 'Menu'], ['sidebar-closebutton', 'Close the sidebar']]) {
        const control = document.getElementById(id);
        control.setAttribute('role', 'button');
        control.setAttribute('aria-label', label);
    }
    const sidebar = document.getElementById('sidebar');
    new MutationObserver(() => {
        for (const field of sidebar.querySelectorAll('input[title]:not([aria-label])')) {
            field.setAttribute('aria-label', field.title);
        }
        for (const text of sidebar.querySelectorAll('pre:not([tabindex])')) {
            text.setAttribute('tabindex', '0'); // long lines scroll
        }
    }).observe(sidebar, { childList: true, subtree: true });
}
