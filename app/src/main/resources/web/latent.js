import {html, nothing, render} from '/lib/lit-html/lit-html.js';
import {getLatent, writeQuery} from './api.js';
import {histogram} from './chart.js';
import {highlighted} from './tokens.js';
import {activation, category, count, flag, go, lift, name, nats, notice, percent, piece, probability, split} from './ui.js';

/** The page of one latent. */
export class LatentPage {
  constructor(root, run, number, query) {
    this.root = root;
    this.run = run;
    this.query = query;
    this.load(number);
  }

  async load(number) {
    try {
      this.data = await getLatent(number, this.query);
    } catch (e) {
      if (!this.closed) render(notice('No such latent', e.message), this.root);
      return;
    }
    if (this.closed) return;
    document.title = `Latent ${number} · ${this.run.name} · Loupe`;
    this.draw();
  }

  close() {
    this.closed = true;
    this.resized?.disconnect();
  }

  /** Draws the chart again in the colours of now. */
  themed() {
    this.chart();
  }

  key(event) {
    const to = {j: this.data?.next, ArrowRight: this.data?.next, k: this.data?.previous, ArrowLeft: this.data?.previous}[event.key];
    if (event.key === 'Escape' || event.key === 'u') go(`/${writeQuery(this.query)}`);
    else if (to !== null && to !== undefined && !document.activeElement?.closest('.tokens')) this.open(to);
    else return false;
    return true;
  }

  address(latent) {
    return `/latent/${latent}${writeQuery(this.query)}`;
  }

  open(latent) {
    go(this.address(latent));
  }

  draw() {
    const {latent, examples} = this.data;
    render(
      html`<article class="latent">
        ${this.title()}
        <div class="columns">
          <div class="examples">
            ${latent.count === 0 ? notice('Never fires', 'This latent is silent on every row of the store, so there is nothing to show.') : nothing}
            ${this.group('Strongest documents', '', examples.filter(e => e.interval < 0))}
            ${this.intervals()}
          </div>
          <aside>
            ${this.effectCard()} ${latent.count ? this.histogramCard() : nothing} ${this.lensCard()} ${this.neighbourCard()}
          </aside>
        </div>
      </article>`,
      this.root,
    );
    this.chart();
    const drawn = this.root.querySelector('.chart');
    if (drawn && !this.resized) {
      this.resized = new ResizeObserver(() => this.plot?.width !== drawn.clientWidth && this.chart());
      this.resized.observe(drawn);
    }
  }

  chart() {
    const element = this.root.querySelector('.chart');
    if (element) this.plot = histogram(element, this.data.histogram, this.data.latent.max);
  }

  title() {
    const {latent, previous, next, place, total} = this.data;
    const step = (to, text, key) =>
      html`<a class="step" href=${to === null ? nothing : this.address(to)} aria-disabled=${to === null}
        aria-label=${`${text} latent`} title=${`${text} (${key})`}
        @click=${e => {
          e.preventDefault();
          if (to !== null) this.open(to);
        }}>${text === 'Previous' ? '←' : '→'}</a>`;
    const [, theme] = split(latent);
    const size = this.data.examples.some(e => e.activation < 0) ? '|activation|' : 'activation';
    return html`<header class="title">
      <nav class="crumbs" aria-label="Place in the list">
        <a href=${`/${writeQuery(this.query)}`} data-inside>All latents</a>
        <span>${count(place + 1)} of ${count(total)}</span>
        ${step(previous, 'Previous', 'k')}${step(next, 'Next', 'j')}
      </nav>
      <p class="overline">Latent ${latent.latent} ${latent.flags.map(flag)}</p>
      <h1>${latent.clear ? html`${category(latent.category)} <span>${theme}</span>` : html`<span class="unlabelled">No clear label</span>`}</h1>
      <p class="evidence">${this.evidence()}</p>
      ${latent.tokens.length
        ? html`<p class="toptokens"><span>Fires most on</span> ${latent.tokens.map(
            (t, i) => html`<span class="counted">${piece(t)}<small>${this.data.topTokenCounts[i]}</small></span>`,
          )}</p>`
        : nothing}
      <dl class="stats">
        ${[
          ['Density', percent(latent.density), `${count(latent.count)} of ${count(this.run.rows)} rows`],
          ['Documents', count(this.data.documents), `of ${count(this.run.documents)}`],
          [`Mean ${size}`, activation(latent.mean), 'where it fires'],
          [`Max ${size}`, activation(latent.max), ''],
        ].map(([term, value, note]) => html`<div><dt>${term}</dt><dd>${value} <small>${note}</small></dd></div>`)}
      </dl>
    </header>`;
  }

  evidence() {
    const {evidence, category: best, clear} = this.data.latent;
    if (!evidence) return this.run.categories ? 'None of its documents has a category.' : 'The documents of this store have no categories to label it by.';
    const found = html`${evidence.hits} of its ${evidence.drawn} strongest documents are <b>${best}</b>, ${lift(evidence.lift)} times the
      store’s rate (${probability(evidence.log10P)})`;
    return clear ? html`${found}.` : html`${found}: not enough for a label.`;
  }

  intervals() {
    const {examples, intervals, latent} = this.data;
    return Array.from({length: intervals}, (_, i) => intervals - 1 - i).map(i =>
      this.group(
        `${activation((latent.max * i) / intervals)} – ${activation((latent.max * (i + 1)) / intervals)}`,
        `sampled from the ${['lowest', 'second', 'third', 'fourth', 'highest'][i] ?? `${i + 1}th`} fifth of its range`,
        examples.filter(e => e.interval === i),
      ),
    );
  }

  group(title, note, examples) {
    if (!examples.length) return nothing;
    return html`<section>
      <h2>${title} <small>${note}</small></h2>
      <ol>${examples.map(e => this.example(e))}</ol>
    </section>`;
  }

  example(e) {
    return html`<li class="example">
      <span class=${e.activation < 0 ? 'strength negative' : 'strength'} .style=${`--w:${(Math.abs(e.activation) / this.data.latent.max).toFixed(3)}`}>${activation(e.activation)}</span>
      <p>${e.cutBefore ? html`<span class="cut">…</span>` : nothing}${highlighted(e.tokens, e.activations, this.data.latent.max, e.at)}${e.cutAfter ? html`<span class="cut">…</span>` : nothing}</p>
      ${category(e.category)}
    </li>`;
  }

  effectCard() {
    const {effect} = this.data.latent;
    if (!effect) return nothing;
    if (!effect.ablated)
      return html`<section class="card effect"><h2>What it does <small>to the model’s output</small></h2>
        <p class="note">It fired nowhere in the text that effects were measured on.</p></section>`;
    const within = width => (width === null ? nothing : html`<small>± ${nats(width)}</small>`);
    const line = (term, value, title) => html`<div title=${title}><dt>${term}</dt><dd>${value}</dd></div>`;
    return html`<section class="card effect">
      <h2>What it does <small>to the model’s output, measured</small></h2>
      <dl>
        ${line('Effect of a firing', html`${nats(effect.kl)} ${within(effect.klWithin)}`,
          'KL of the rest of the document with the firing removed, nats; mean and 95 % interval')}
        ${line('ΔCE without it', html`${effect.deltaCe > 0 ? '+' : ''}${nats(effect.deltaCe)} ${within(effect.deltaCeWithin)}`,
          'increase of the cross-entropy of the rest of the document, nats: above 0 where the firing helps')}
        ${line('In all', nats(effect.total), 'effect of a firing times its firings in the store, nats')}
        ${line('Per energy', html`${nats(effect.perEnergy)} ${within(effect.perEnergyError === null ? null : 1.96 * effect.perEnergyError)}`,
          'attribution’s size for a unit of squared activation')}
        ${line('Sign', percent(effect.signConsistency), `of ${count(effect.firings)} firings attributed push one way`)}
        ${line('Δ confidence', nats(effect.deltaConfidence), 'change of token confidence when its largest activation is added')}
      </dl>
      ${this.bands()}
      ${this.moved()}
      <p class="note">From ${count(effect.ablated)} firings removed one by one, ${count(effect.firings)} attributed.</p>
    </section>`;
  }

  /** Mean attribution's size in each quarter of its firings. */
  bands() {
    const sizes = this.data.bandSize.map(size => size ?? 0);
    const top = Math.max(...sizes);
    if (!top) return nothing;
    return html`<h3>Effect by strength of activation</h3>
      <ol class="bands">${sizes.map((size, i) => html`<li title=${`${nats(size)} nats a firing`}>
        <span class="bar" .style=${`--w:${(size / top).toFixed(3)}`}></span>${['weakest quarter', 'second', 'third', 'strongest'][i]}</li>`)}</ol>`;
  }

  moved() {
    const {raised, lowered} = this.data;
    const seen = tokens => tokens.filter(t => Math.abs(t.score) >= 0.0005).slice(0, 8);
    return html`<div class="sides lens">${sides(
      ['Really raises', seen(raised)], ['Really lowers', seen(lowered)], score => percent(Math.abs(score)))}</div>`;
  }

  histogramCard() {
    return html`<section class="card">
      <h2>Activations <small>where it fires</small></h2>
      <div class="chart" role="img" aria-label=${`Histogram of ${count(this.data.latent.count)} activations from 0 to ${activation(this.data.latent.max)}`}></div>
    </section>`;
  }

  lensCard() {
    const {promoted, suppressed} = this.data;
    if (!promoted.length) return nothing;
    return html`<section class="card lens">
      <h2>Logit lens <small>what its decoder row does to the next token</small></h2>
      <div class="sides">${sides(['Promoted', promoted], ['Suppressed', suppressed], score => score.toFixed(2))}</div>
    </section>`;
  }

  neighbourCard() {
    if (!this.data.neighbours.length) return nothing;
    return html`<section class="card neighbours">
      <h2>Nearest dictionary rows <small>cosine</small></h2>
      <ol>${this.data.neighbours.map(
        n => html`<li><a href=${this.address(n.latent.latent)} data-inside>
          <span class="number">${n.latent.latent}</span><span class="label">${n.latent.clear ? name(n.latent) : n.latent.tokens.slice(0, 3).map(piece)}</span>
          <small>${n.cosine.toFixed(2)}</small></a></li>`,
      )}</ol>
    </section>`;
  }
}

/** Two lists of tokens with scores side by side, what goes up and what goes down; the bars have one scale. */
function sides(up, down, shown) {
  const top = Math.max(...[...up[1], ...down[1]].map(t => Math.abs(t.score)));
  const side = ([title, tokens], kind) => html`<div>
    <h3>${title}</h3>
    <ol class=${kind}>${tokens.map(
      t => html`<li .style=${`--w:${(Math.abs(t.score) / top).toFixed(3)}`}>${piece(t.token)}<small>${shown(t.score)}</small></li>`,
    )}</ol>
  </div>`;
  return html`${side(up, 'promoted')}${side(down, 'suppressed')}`;
}
