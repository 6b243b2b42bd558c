'use strict';

// Reads Markdown as far as the scripts here need it.

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(page) {
  const titles = Array.from(withoutCode(page).matchAll(/^#+ (.+)$/gm), ([, title]) => title);
  return new Set(
    titles.map((title) =>
      title
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}_\- ]/gu, '')
        .replace(/ /g, '-'),
    ),
  );
}

/** The targets of a page's links. */
function links(page) {
  return Array.from(
    withoutCode(page)
      .replace(/`[^`\n]*`/g, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
    ([, target]) => target,
  );
}

/** The texts in a page's code spans. */
function codeSpans(page) {
  return Array.from(withoutCode(page).matchAll(/`([^`\n]+)`/g), ([, text]) => text);
}

/** A page without its blocks of code. */
function withoutCode(page) {
  return page.replace(/^ *```[\s\S]*?^ *```$/gm, '');
}

module.exports = { anchors, links, codeSpans };
