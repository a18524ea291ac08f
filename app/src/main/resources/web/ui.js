import {html, nothing} from '/lib/lit-html/lit-html.js';

const NUMBER = new Intl.NumberFormat('en');

/** 1234567 → 1,234,567. */
export const count = n => NUMBER.format(n);

/** A share as a percentage with two significant digits: 0.00123 → 0.12 %. */
export function percent(share) {
  if (share === 0) return '0 %';
  const p = share * 100;
  return p < 0.001 ? '< 0.001 %' : `${p >= 10 ? p.toFixed(1) : Number(p.toPrecision(2))} %`;
}

/** An activation: three significant digits. */
export const activation = a => (a === 0 ? '0' : Math.abs(a) >= 1000 ? count(Math.round(a)) : a.toPrecision(3));

/** Nats with two significant digits; – where nothing was measured. */
export function nats(value) {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  const shown = size >= 1000 ? count(Math.round(size)) : size >= 10 ? size.toFixed(0) : size < 5e-5 ? '0' : String(Number(size.toPrecision(2)));
  return (value < 0 && shown !== '0' ? '−' : '') + shown;
}

/** log₁₀ p as a probability: −14.4 → 4·10⁻¹⁵. */
export function probability(log10) {
  if (log10 > -3) return `p = ${Number((10 ** log10).toPrecision(2))}`;
  let exponent = Math.floor(log10);
  let mantissa = Math.round(10 ** (log10 - exponent));
  if (mantissa === 10) {
    mantissa = 1;
    exponent += 1;
  }
  return html`p = ${mantissa}·10<sup>−${-exponent}</sup>`;
}

/** A lift: 17, 3.4. */
export const lift = x => (x >= 10 ? String(Math.round(x)) : x.toFixed(1));

/** A token as one reads it: line ends and tabs made visible. */
export const visible = token => token.replaceAll('\n', '↵').replaceAll('\t', '⇥');

/** A token as its leading blanks and the rest, which is what gets a background. */
export function parted(token) {
  const text = visible(token);
  const rest = text.trimStart() || text;
  return [text.slice(0, text.length - rest.length), rest];
}

/** A WordNet category as a chip, coloured by its part of speech. */
export const category = name =>
  name ? html`<span class="chip category" data-kind=${name.split('.')[0]}>${name}</span>` : nothing;

const FLAGS = {
  dead: 'Fires on no row of the store.',
  'single token': 'At least 80 % of its strongest tokens are one string: it may mark the word rather than a concept.',
  position: 'At least 80 % of its strongest tokens stand at one or two positions of their document.',
  'causally dead': 'It fires, and removing it changes the model’s output by less than 1 % of the median latent, within error.',
  'busy idle': 'Among the quarter that fires most, of the least effect.',
  'rare decisive': 'Among the quarter that fires least, of the greatest effect.',
};

export const flag = name => html`<span class="chip flag" data-flag=${name} title=${FLAGS[name] ?? ''}>${name}</span>`;

/** A token's own box, with its spaces kept. */
export const piece = token => html`<span class="piece">${visible(token)}</span>`;

/** A latent's name in a list: its label, or that there is none, with its commonest tokens. */
export function name(row) {
  if (!row.clear) return html`<span class="unlabelled">${row.flags.includes('dead') ? 'dead' : 'no clear label'}</span>`;
  const [first, theme] = split(row);
  return html`${category(first)}<span class="theme">${theme}</span>`;
}

/** A label's category and its tokens. */
export const split = row => [row.category, row.label.slice(row.category.length).replace(/^ · /, '')];

/** A message in place of content. */
export const notice = (title, text) => html`<section class="notice"><h2>${title}</h2><p>${text}</p></section>`;

/** A link inside the page: follows with history, not a reload. */
export function go(address) {
  history.pushState(null, '', address);
  dispatchEvent(new PopStateEvent('popstate'));
}

/** Gives the page that is shown another address, without an entry in the history. */
export function rename(address) {
  history.replaceState(null, '', address);
  dispatchEvent(new Event('renamed'));
}
