/**
 * What a notebook's front end does for the outputs in it, done here for those in these pages.
 */

/** `element` is a place of its own for each output's script, where the script stands, as in a notebook. */
Object.defineProperty(window, 'element', {
    get: () => {
        const place = document.createElement('div');
        document.currentScript?.before(place);
        return place;
    }
});

/** Panels follow the theme that is chosen for the site. */
const follow = () => {
    const { theme } = document.body.dataset;
    const dark = theme === 'dark' || (theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
    document.body.dataset.jpThemeLight = String(!dark);
};
document.addEventListener('DOMContentLoaded', () => {
    follow();
    new MutationObserver(follow).observe(document.body, { attributeFilter: ['data-theme'] });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', follow);
});
