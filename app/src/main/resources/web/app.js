import {html, nothing, render} from '/lib/lit-html/lit-html.js';
import {getRun, readQuery, writeQuery} from './api.js';
import {EffectsPage} from './effects.js';
import {LatentList} from './list.js';
import {LatentPage} from './latent.js';
import {TextPage} from './text.js';
import {count, go, notice, percent} from './ui.js';

const main = document.getElementById('main');
const help = document.getElementById('help');
let run;
let page;
let address;

const KEYS = [
  ['j  k', 'next and previous latent, or token'],
  ['↑ ↓', 'move in the list'],
  ['Enter', 'open the chosen latent'],
  ['/', 'filter the list'],
  ['Esc', 'back to the list, or leave a field'],
  ['l', 'all latents'],
  ['e', 'what the latents do'],
  ['t', 'try a text'],
  ['d', 'dark or light'],
  ['?', 'this help'],
];

/** The figures of eval.json that the header shows, where they are there. */
const METRICS = [
  ['fvu', 'FVU', v => v.toFixed(3), 'fraction of variance unexplained'],
  ['l0', 'L0', v => v.toFixed(1), 'latents active on a row'],
  ['ce_recovered_mean', 'CE recovered', percent, 'cross-entropy recovered against mean ablation'],
  ['kl', 'KL', v => v.toFixed(3), 'KL of the spliced model from the original, nats a token'],
];

const here = () => location.pathname + location.search;

function showPage() {
  if (here() === address) return;
  address = here();
  page?.close?.();
  page = null;
  const root = document.createElement('div');
  main.replaceChildren(root);
  const query = readQuery(location.search);
  const latent = location.pathname.match(/^\/latent\/(\d+)$/);
  document.title = `${run.name} · Loupe`;
  if (location.pathname === '/') page = new LatentList(root, run, query);
  else if (location.pathname === '/text') page = new TextPage(root, run);
  else if (location.pathname === '/effects') page = new EffectsPage(root, run);
  else if (latent) page = new LatentPage(root, run, Number(latent[1]), query);
  else render(notice('Nothing here', 'This address is no page of the explorer.'), root);
  scrollTo(0, 0);
  drawTop();
}

function drawTop() {
  const link = (to, text) =>
    html`<a href=${to} data-inside aria-current=${location.pathname === to ? 'page' : nothing}>${text}</a>`;
  const labelled = run.counts.labelled;
  render(
    html`<div class="bar">
        <a class="brand" href="/" data-inside><img src="/static/loupe.svg" alt="" width="22" height="22">Loupe</a>
        <p class="what"><b>${run.name}</b><span>${[run.model, run.hook].filter(Boolean).join(' · ')}</span></p>
        <nav aria-label="Pages">
          ${link('/', 'Latents')} ${run.effects ? link('/effects', 'Effects') : nothing} ${link('/text', 'Try a text')}
          ${run.report ? html`<a href="/report">Report</a>` : nothing}
        </nav>
        <button class="icon" id="theme" aria-label="Dark or light" title="Dark or light (d)" @click=${flipTheme}>◐</button>
        <button class="icon" id="keys" aria-label="Keyboard help" title="Keyboard help (?)" @click=${() => help.showModal()}>?</button>
      </div>
      <dl class="figures">
        ${METRICS.filter(([key]) => key in run.metrics).map(([key, text, show, title]) =>
          figure(text, show(run.metrics[key]), nothing, title))}
        ${figure('Live', count(run.counts.live), `of ${count(run.latents)}`, 'latents that fire on at least one row')}
        ${run.categories
          ? figure('Clear label', count(labelled), html`${percent(labelled / run.latents)}, by chance ${count(run.counts.labelledPermuted)}`,
              'by chance: the same test with the documents’ categories permuted')
          : nothing}
        ${figure('Rows', count(run.rows), `${count(run.documents)} documents`, 'what the index was made from')}
      </dl>`,
    document.getElementById('top'),
  );
}

const figure = (term, value, note, title) =>
  html`<div title=${title}><dt>${term}</dt><dd>${value}${note === nothing ? nothing : html` <small>${note}</small>`}</dd></div>`;

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function flipTheme() {
  const theme = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
  page?.themed?.();
}

function keyed(event) {
  const typing = event.target.closest('input, textarea, select');
  if (event.metaKey || event.ctrlKey || event.altKey || help.open) return;
  if (typing) {
    if (event.key === 'Escape' || (event.key === 'Enter' && event.target.type === 'search')) typing.blur();
    return;
  }
  if (event.key === 'Enter' && event.target.closest('button, a:not(.row)')) return;
  if (event.key === '/') focusFilter();
  else if (event.key === '?') help.showModal();
  else if (event.key === 'd') flipTheme();
  else if (event.key === 't') go('/text');
  else if (event.key === 'l') go('/');
  else if (event.key === 'e' && run.effects) go('/effects');
  else if (!page?.key?.(event)) return;
  event.preventDefault();
}

function focusFilter() {
  if (location.pathname !== '/') go(`/${writeQuery(readQuery(location.search))}`);
  document.getElementById('filter')?.select();
}

function followed(event) {
  const link = event.target.closest('a[data-inside]');
  if (!link || event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.getAttribute('href'));
}

render(
  html`<form method="dialog"><h2>Keys</h2><dl>${KEYS.map(([key, text]) => html`<dt><kbd>${key}</kbd></dt><dd>${text}</dd>`)}</dl>
    <button>Close</button></form>`,
  help,
);
help.addEventListener('click', event => event.target === help && help.close());
addEventListener('popstate', showPage);
addEventListener('renamed', () => (address = here()));
addEventListener('keydown', keyed);
addEventListener('click', followed);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => page?.themed?.());

try {
  run = await getRun();
  showPage();
} catch (e) {
  render(notice('The explorer has no answer', e.message), main);
}
