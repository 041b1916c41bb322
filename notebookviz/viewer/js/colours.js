/** Light or dark: JupyterLab's, else VS Code's, else the system's. */

const dark = () => matchMedia('(prefers-color-scheme: dark)');

/** @returns {'light'|'dark'} */
export function theme() {
    const body = document.body;
    if (body.hasAttribute('data-jp-theme-light')) {
        return body.getAttribute('data-jp-theme-light') === 'false' ? 'dark' : 'light';
    }
    if (body.classList.contains('vscode-dark') || body.classList.contains('vscode-high-contrast')) {
        return 'dark';
    }
    if (body.classList.contains('vscode-light')) {
        return 'light';
    }
    return dark().matches ? 'dark' : 'light';
}

/**
 * The theme as the page is told of it: its name, and what the panel stands on.
 * @param {Element} root @returns {{theme: 'light'|'dark', background: string}}
 */
export function themeOf(root) {
    return { theme: theme(), background: getComputedStyle(root).backgroundColor };
}

/**
 * @param {(theme: 'light'|'dark') => void} told
 * @returns {() => void} Stops watching.
 */
export function watchTheme(told) {
    const tell = () => told(theme());
    const observer = new MutationObserver(tell);
    observer.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-light', 'class'] });
    const query = dark();
    query.addEventListener('change', tell);
    return () => {
        observer.disconnect();
        query.removeEventListener('change', tell);
    };
}
