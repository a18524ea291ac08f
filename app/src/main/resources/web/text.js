import {html, nothing, render} from '/lib/lit-html/lit-html.js';
import {getModel, postText} from './api.js';
import {activation, count, name, nats, parted, piece} from './ui.js';

const SAMPLES = [
  'The tiger is a large striped cat that hunts deer at night.',
  'She plays the violin in an orchestra in Vienna.',
  'Boil the potatoes, then add butter and a pinch of salt.',
  'The senate passed the bill in March 1848.',
];
const SHOWN = 60;
const EFFECT = 'What the cross-entropy of the rest of the text would gain without it, nats, to first order: above 0 where the firing helps.';

/** The page on which one types text and sees which latents fire on each token, as one types. */
export class TextPage {
  constructor(root, run) {
    this.root = root;
    this.run = run;
    this.text = sessionStorage.getItem('text') ?? SAMPLES[0];
    this.token = null;
    this.latent = null;
    this.order = sessionStorage.getItem('text-order') ?? 'activation';
    this.state = {state: 'loading'};
    document.title = `Try a text · ${run.name} · Loupe`;
    this.draw();
    this.waitForModel();
  }

  async waitForModel() {
    while (!this.closed) {
      try {
        this.state = await getModel();
      } catch (e) {
        this.state = {state: 'none', reason: e.message};
      }
      if (this.closed) return;
      this.draw();
      if (this.state.state !== 'loading') break;
      await new Promise(done => setTimeout(done, 400));
    }
    if (this.state.state === 'ready') this.read();
  }

  typed(text) {
    this.text = text;
    sessionStorage.setItem('text', text);
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.read(), 180);
  }

  async read() {
    if (this.reading === this.text) return;
    this.reading = this.text;
    this.running?.abort();
    this.running = new AbortController();
    try {
      this.result = await postText(this.text, this.running.signal);
      this.fault = null;
    } catch (e) {
      if (e.name === 'AbortError') return;
      this.fault = e.message;
      this.reading = null;
    }
    if (this.closed) return;
    this.token = null;
    this.latent = null;
    this.draw();
  }

  close() {
    this.closed = true;
    this.running?.abort();
    clearTimeout(this.typing);
  }

  key(event) {
    const tokens = this.result?.tokens.length ?? 0;
    if (event.key === 'Escape') this.choose(null);
    else if (tokens && (event.key === 'ArrowRight' || event.key === 'j')) this.choose(Math.min(tokens - 1, (this.token ?? -1) + 1));
    else if (tokens && (event.key === 'ArrowLeft' || event.key === 'k')) this.choose(Math.max(0, (this.token ?? tokens) - 1));
    else return false;
    return true;
  }

  choose(token) {
    this.token = this.token === token ? null : token;
    this.draw();
  }

  point(latent) {
    this.latent = latent;
    this.draw();
  }

  sort(order) {
    this.order = order;
    sessionStorage.setItem('text-order', order);
    this.draw();
  }

  /** Latents to list, of the chosen token or of the whole text: there the largest activation and the sum of effects. */
  firing() {
    const found = new Map();
    const tokens = this.token === null ? this.result.tokens : [this.result.tokens[this.token]];
    for (const t of tokens) {
      for (const f of t.latents) {
        const known = found.get(f.latent) ?? {latent: f.latent, activation: 0, effect: null};
        if (Math.abs(f.activation) > Math.abs(known.activation)) known.activation = f.activation;
        if (f.effect !== null) known.effect = (known.effect ?? 0) + f.effect;
        found.set(f.latent, known);
      }
    }
    const size = f => (this.order === 'effect' ? Math.abs(f.effect ?? 0) : Math.abs(f.activation));
    return [...found.values()].sort((a, b) => size(b) - size(a) || Math.abs(b.activation) - Math.abs(a.activation));
  }

  draw() {
    render(
      html`<article class="probe">
        <header class="title">
          <h1>Try a text</h1>
          <p class="evidence">${this.run.hook ? html`The model reads it up to <code>${this.run.hook}</code>, and the` : 'The'} SAE says
            which latents fire on each token, as you type, and how much worse the rest of the text would be predicted without it (nats).</p>
        </header>
        <label class="visually-hidden" for="typed">Text</label>
        <textarea id="typed" rows="2" spellcheck="false" .value=${this.text} ?disabled=${this.state.state === 'none'}
          @input=${e => this.typed(e.target.value)}></textarea>
        <p class="samples">${SAMPLES.map(
          s => html`<button @click=${() => {
            this.typed(s);
            this.draw();
          }}>${s}</button>`,
        )}</p>
        <div role="status" class="status" data-state=${this.state.state}>${this.status()}</div>
        ${this.result && !this.fault ? this.found() : nothing}
      </article>`,
      this.root,
    );
  }

  status() {
    if (this.state.state === 'none') return `No language model here: ${this.state.reason}.`;
    if (this.state.state === 'loading') return html`<span class="spinner"></span> Loading the language model…`;
    if (this.fault) return this.fault;
    if (this.result?.cut) return `Only the first ${this.state.limit} tokens are shown.`;
    return '';
  }

  found() {
    const firing = this.firing();
    const max = Math.max(...firing.map(f => Math.abs(f.activation)));
    const effects = firing.some(f => f.effect !== null);
    const of = this.token === null ? 'the whole text' : html`token ${piece(this.result.tokens[this.token].text)}`;
    return html`<div class="columns">
      <div>
        <p class="typed" aria-label="Tokens">${this.result.tokens.map((t, i) => this.tokenButton(t, i))}</p>
        <p class="hint">${this.hint()}</p>
      </div>
      <section class="card firing" aria-live="polite">
        <h2>Latents firing <small>on ${of}</small></h2>
        ${effects ? this.orders() : nothing}
        <ol @mouseleave=${() => this.point(null)}>${firing.slice(0, SHOWN).map(f => this.line(f, max))}</ol>
        ${firing.length > SHOWN ? html`<p class="hint">and ${count(firing.length - SHOWN)} weaker ones</p>` : nothing}
      </section>
    </div>`;
  }

  orders() {
    const button = (order, text, title) => html`<button aria-pressed=${this.order === order} title=${title}
      @click=${() => this.sort(order)}>${text}</button>`;
    return html`<p class="orders">${button('activation', 'by activation', 'The strongest first.')}
      ${button('effect', 'by effect', EFFECT)}</p>`;
  }

  hint() {
    if (this.latent !== null) return html`Shaded by latent <b>${this.latent}</b>.`;
    return 'Click a token for its latents; point at a latent to see where it fires.';
  }

  tokenButton(token, i) {
    const value = this.latent === null ? 0 : token.latents.find(f => f.latent === this.latent)?.activation ?? 0;
    const max = this.latent === null ? 1 : this.peak(this.latent);
    const [blank, text] = parted(token.text);
    return html`${blank}<button class=${value ? `tok on${value < 0 ? ' negative' : ''}` : 'tok'} aria-pressed=${i === this.token} data-value=${value ? activation(value) : nothing}
      .style=${`--a:${(Math.abs(value) / max).toFixed(3)}`} @click=${() => this.choose(i)}>${text}</button>`;
  }

  peak(latent) {
    return Math.max(...this.result.tokens.map(t => Math.abs(t.latents.find(f => f.latent === latent)?.activation ?? 0)));
  }

  line(f, max) {
    const row = this.result.latents[f.latent];
    return html`<li><a href=${`/latent/${f.latent}`} data-inside data-latent=${f.latent} .style=${`--w:${(Math.abs(f.activation) / max).toFixed(3)}`}
      @mouseenter=${() => this.point(f.latent)} @focus=${() => this.point(f.latent)} @blur=${() => this.point(null)}>
      <span class=${f.activation < 0 ? 'strength negative' : 'strength'}>${activation(f.activation)}</span>
      <span class="number">${f.latent}</span>
      <span class="label">${row.clear ? name(row) : html`${row.tokens.slice(0, 4).map(piece)}`}</span>
      ${f.effect === null ? nothing : html`<span class="does" title=${EFFECT}>${f.effect > 0 ? '+' : ''}${nats(f.effect)}</span>`}</a></li>`;
  }
}
