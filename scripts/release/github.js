'use strict';

// The release on GitHub, by its program `gh`: a draft until all its files are there, then public. A public one stays as it is.

const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const { section } = require('./changelog.js');

function release(root, tag, folder, say) {
  const state = isDraft(tag);
  if (state === false) return say(`the release ${tag} is public already, and stays as it is`);
  if (state === undefined) create(root, tag);
  const files = fs.readdirSync(folder).map((name) => path.join(folder, name));
  gh('upload', tag, '--clobber', ...files);
  gh('edit', tag, '--draft=false', ...(tag.includes('-') ? ['--prerelease'] : ['--latest']));
  say(`the release ${tag} is public, with ${files.length} files`);
}

/** Whether the release is a draft; undefined when there is none. */
function isDraft(tag) {
  const drafts = JSON.parse(gh('list', '--json', 'tagName,isDraft', '--limit', '100'));
  return drafts.find(({ tagName }) => tagName === tag)?.isDraft;
}

function create(root, tag) {
  const notes = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'valetkey-notes-')), 'notes.md');
  fs.writeFileSync(notes, section(root, tag.replace(/^v/, '')).text);
  gh('create', tag, '--draft', '--verify-tag', '--title', tag, '--notes-file', notes);
  fs.rmSync(path.dirname(notes), { recursive: true });
}

function gh(...args) {
  return execFileSync('gh', ['release', ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

module.exports = { release };
