import {html, nothing, render} from '/lib/lit-html/lit-html.js';
import {getPage, writeQuery} from './api.js';
import {activation, count, flag, go, lift, name, nats, percent, piece, rename} from './ui.js';

const ROW = 46; // pixels, as --row in list.css
const HEAD = 38; // pixels, as --head there
const CHUNK = 100;

const COLUMNS = [
  {key: 'latent', text: 'Latent', first: 'asc'},
  {key: 'label', text: 'Label', first: 'asc'},
  {key: 'evidence', text: 'Evidence', first: 'desc', title: 'how sure the label is: lift, sorted by p-value'},
  {key: 'density', text: 'Density', first: 'desc', title: 'share of the rows on which it fires'},
  {key: 'mean', text: 'Mean', first: 'desc', title: 'mean activation where it fires'},
  {key: 'max', text: 'Max', first: 'desc', title: 'largest activation'},
  {key: 'kl', text: 'Effect', first: 'desc', title: 'what one firing does to the model’s output: mean KL of the rest of the document without it, nats', effect: true},
  {key: 'total', text: 'Total', first: 'desc', title: 'effect of a firing times its firings in the store, nats', effect: true},
  {key: null, text: 'Top tokens'},
  {key: null, text: 'Notes'},
];

/** Questions that an order and a filter answer. */
const VIEWS = [
  ['Clearest label', {sort: 'evidence', order: 'desc', filter: ''}],
  ['Greatest effect in all', {sort: 'total', order: 'desc', filter: ''}],
  ['Greatest effect of a firing', {sort: 'kl', order: 'desc', filter: ''}],
  ['Most effect for its size', {sort: 'per_energy', order: 'desc', filter: ''}],
  ['Helps most (ΔCE)', {sort: 'delta_ce', order: 'desc', filter: ''}],
  ['Harms (ΔCE below 0)', {sort: 'delta_ce', order: 'asc', filter: ''}],
  ['Rare, decisive', {sort: 'kl', order: 'desc', filter: 'rare decisive'}],
  ['Fires a lot, does nothing', {sort: 'kl', order: 'asc', filter: 'busy idle'}],
  ['Causally dead', {sort: 'density', order: 'desc', filter: 'causally dead'}],
  ['Good for steering', {sort: 'delta_confidence', order: 'desc', filter: ''}],
];

/** The page of all latents. Rows outside the window do not exist; pages of the order are fetched as they come into view. */
export class LatentList {
  constructor(root, run, query) {
    this.root = root;
    this.run = run;
    this.query = query;
    this.selected = -1;
    this.columns = COLUMNS.filter(c => run.effects || !c.effect);
    this.forget();
    this.draw();
    this.body = root.querySelector('.rows');
    this.body.addEventListener('scroll', () => this.scrolled(), {passive: true});
    this.resized = new ResizeObserver(() => this.scrolled());
    this.resized.observe(this.body);
    this.load(0);
  }

  forget() {
    this.total = null;
    this.fault = null;
    this.chunks = new Map();
    this.generation = (this.generation ?? 0) + 1;
  }

  /** Shows another order or filter, from its top. */
  ask(change) {
    this.query = {...this.query, ...change};
    rename(location.pathname + writeQuery(this.query));
    this.selected = -1;
    this.forget();
    this.body.scrollTop = 0;
    this.load(0);
  }

  async load(chunk) {
    if (this.chunks.has(chunk)) return;
    this.chunks.set(chunk, null);
    const generation = this.generation;
    try {
      const page = await getPage(this.query, chunk * CHUNK, CHUNK);
      if (generation !== this.generation) return;
      this.total = page.total;
      this.chunks.set(chunk, page.latents);
    } catch (e) {
      if (generation !== this.generation) return;
      this.chunks.delete(chunk);
      this.fault = e.message;
    }
    this.draw();
  }

  scrolled() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
    // A fling over thousands of rows asks for none of them: chunks are fetched when the scrolling rests.
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.fetchVisible(), 60);
  }

  window() {
    const body = this.body;
    if (!body || !this.total) return [0, 0];
    const from = Math.max(0, Math.floor(body.scrollTop / ROW) - 6);
    return [from, Math.min(this.total, from + Math.ceil(body.clientHeight / ROW) + 12)];
  }

  fetchVisible() {
    const [from, to] = this.window();
    for (let chunk = Math.floor(from / CHUNK); chunk * CHUNK < to; chunk++) this.load(chunk);
  }

  row(i) {
    return this.chunks.get(Math.floor(i / CHUNK))?.[i % CHUNK];
  }

  key(event) {
    const by = {j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 12, PageUp: -12}[event.key];
    if (by && this.total) this.select(Math.max(0, Math.min(this.total - 1, this.selected + by)));
    else if (event.key === 'Home' || event.key === 'g') this.select(0);
    else if (event.key === 'End' || event.key === 'G') this.select(this.total - 1);
    else if ((event.key === 'Enter' || event.key === 'o') && this.row(this.selected)) this.open(this.row(this.selected));
    else return false;
    return true;
  }

  select(i) {
    this.selected = i;
    const top = i * ROW;
    if (top < this.body.scrollTop) this.body.scrollTop = top;
    else if (top + ROW + HEAD > this.body.scrollTop + this.body.clientHeight) this.body.scrollTop = top + ROW + HEAD - this.body.clientHeight;
    this.draw();
    this.fetchVisible();
  }

  address(row) {
    return `/latent/${row.latent}${writeQuery(this.query)}`;
  }

  open(row) {
    go(this.address(row));
  }

  sort(column) {
    const again = this.query.sort === column.key;
    this.ask({sort: column.key, order: again ? (this.query.order === 'asc' ? 'desc' : 'asc') : column.first});
  }

  close() {
    this.resized.disconnect();
    clearTimeout(this.resting);
    clearTimeout(this.typing);
    this.generation++;
  }

  draw() {
    const shown = this.total === null ? 'loading' : `${count(this.total)} of ${count(this.run.latents)}`;
    render(
      html`<section class=${this.run.effects ? 'list effects' : 'list'}>
        <div class="toolbar">
          <input id="filter" type="search" placeholder="Filter by label, token, flag or #number" aria-label="Filter latents"
            autocomplete="off" spellcheck="false" .value=${this.query.filter}
            @input=${e => {
              clearTimeout(this.typing);
              this.typing = setTimeout(() => this.ask({filter: e.target.value}), 120);
            }}><kbd>/</kbd>
          ${this.run.effects ? this.views() : nothing}
          <output class="shown">${shown}</output>
        </div>
        <div class="table" role="table" aria-label="Latents" aria-rowcount=${this.total ?? -1}>
          <div class="rows" role="rowgroup" tabindex="0" aria-label="Latents, arrow keys to move, Enter to open">
            <div class="head" role="row">${this.columns.map(c => this.heading(c))}</div>
            <div class="spacer" .style=${`height:${(this.total ?? 0) * ROW}px`}>${this.visibleRows()}</div>
            ${this.message()}
          </div>
        </div>
      </section>`,
      this.root,
    );
  }

  views() {
    const at = VIEWS.findIndex(([, view]) => Object.keys(view).every(k => view[k] === this.query[k]));
    return html`<select id="view" aria-label="Show" @change=${e => this.ask(VIEWS[e.target.value][1])}>
      ${at < 0 ? html`<option selected disabled>Choose a view</option>` : nothing}
      ${VIEWS.map(([text], i) => html`<option value=${i} ?selected=${i === at}>${text}</option>`)}
    </select>`;
  }

  heading(column) {
    const sorted = column.key && this.query.sort === column.key ? this.query.order : null;
    const aria = sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : 'none';
    return html`<div role="columnheader" aria-sort=${column.key ? aria : nothing} title=${column.title ?? nothing}>
      ${column.key
        ? html`<button data-sort=${column.key} @click=${() => this.sort(column)}>${column.text}<i aria-hidden="true"
            >${sorted === 'asc' ? '↑' : sorted === 'desc' ? '↓' : ''}</i></button>`
        : column.text}
    </div>`;
  }

  message() {
    if (this.fault) return html`<p class="empty">${this.fault}</p>`;
    if (this.total === 0) return html`<p class="empty">No latent has “${this.query.filter}” in its label, tokens or flags.</p>`;
    return nothing;
  }

  visibleRows() {
    const [from, to] = this.window();
    const rows = [];
    for (let i = from; i < to; i++) rows.push(this.line(i));
    return rows;
  }

  line(i) {
    const row = this.row(i);
    const place = `transform:translateY(${i * ROW}px)`;
    if (!row) return html`<div class="row waiting" role="row" aria-rowindex=${i + 1} .style=${place}></div>`;
    const share = Math.max(0.02, 1 + Math.log10(Math.max(row.density, 1e-6)) / 6);
    return html`<a class=${i === this.selected ? 'row selected' : 'row'} role="row" aria-rowindex=${i + 1} tabindex="-1"
      href=${this.address(row)} data-latent=${row.latent} .style=${place}
      @click=${e => {
        if (e.metaKey || e.ctrlKey || e.shiftKey || e.button) return;
        e.preventDefault();
        this.open(row);
      }}>
      <span role="cell" class="number">${row.latent}</span>
      <span role="cell" class="label">${name(row)}</span>
      <span role="cell" class="figure evidence">${row.clear ? `×${lift(row.evidence.lift)}` : '–'}</span>
      <span role="cell" class="figure density"><span class="bar" .style=${`--w:${row.count ? share : 0}`}></span>${percent(row.density)}</span>
      <span role="cell" class="figure">${activation(row.mean)}</span>
      <span role="cell" class="figure">${activation(row.max)}</span>
      ${this.run.effects
        ? html`<span role="cell" class="figure">${nats(row.effect?.kl)}</span><span role="cell" class="figure">${nats(row.effect?.total)}</span>`
        : nothing}
      <span role="cell" class="pieces">${row.tokens.map(piece)}</span>
      <span role="cell" class="flags">${row.flags.map(flag)}</span>
    </a>`;
  }
}
