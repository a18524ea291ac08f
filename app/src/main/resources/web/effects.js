import {html, nothing, render} from '/lib/lit-html/lit-html.js';
import {getEffects, writeQuery} from './api.js';
import {scatter} from './scatter.js';
import {count, go, name, nats, notice, percent, piece} from './ui.js';

const rho = value => Number(value).toFixed(2).replace('-', '−');

/** The page of what the latents do to the model's output, all together. */
export class EffectsPage {
  constructor(root, run) {
    this.root = root;
    this.run = run;
    this.load();
  }

  async load() {
    try {
      this.data = await getEffects();
    } catch (e) {
      if (!this.closed) render(notice('No effects here', e.message), this.root);
      return;
    }
    if (this.closed) return;
    document.title = `Effects · ${this.run.name} · Loupe`;
    this.draw();
  }

  close() {
    this.closed = true;
    this.resized?.disconnect();
  }

  themed() {
    this.plot();
  }

  plot() {
    const element = this.root.querySelector('.scatter');
    if (element) scatter(element, this.data, latent => go(`/latent/${latent}`));
  }

  draw() {
    const {summary, tokens, ablations} = this.data;
    render(
      html`<article class="effects-page">
        <h1>What the latents do</h1>
        <p>Not where they fire but what changes in the model’s output when a firing is taken away, everything else as it is:
          ${count(summary.firings)} firings in ${count(tokens)} tokens attributed by backward passes, ${count(summary.ablated)} of them
          (about ${ablations} of each latent) removed one by one and the rest of the document run again.</p>
        <div class="answers">
          ${this.agreement()} ${this.accident()} ${this.concentration()} ${this.dimension()} ${this.bands()}
        </div>
        <section class="card">
          <h2>Every latent <small>how often it fires, and what a firing does; click for its page</small></h2>
          <div class="scatter" role="img" aria-label="Each latent’s density and effect of a firing"></div>
        </section>
        <div class="lists">
          ${this.list('Rare, decisive', 'of the quarter that fires least, those of greatest effect', this.data.rareDecisive)}
          ${this.list('Fires a lot, does nothing', 'of the quarter that fires most, those of least effect', this.data.busyIdle)}
        </div>
      </article>`,
      this.root,
    );
    this.plot();
    const drawn = this.root.querySelector('.scatter');
    if (!this.resized) {
      this.resized = new ResizeObserver(() => this.plot());
      this.resized.observe(drawn);
    }
  }

  accident() {
    const r = this.data.summary.relevance;
    return html`<section class="card"><h2>Is causal relevance an accident?</h2>
      <p class="big">ρ = ${rho(r.totalEnergy)}</p>
      <p>Rank correlation of a latent’s <b>total effect</b> with its energy Σ f²‖d‖²; with Σ |f| ${rho(r.totalMass)}, with how often it fires ${rho(r.totalFrequency)}.
        Of the effect of <b>one firing</b> with the mean activation ${rho(r.eachMean)}, with how often it fires ${rho(r.eachFrequency)}.</p></section>`;
  }

  concentration() {
    const c = this.data.summary.concentration;
    return html`<section class="card"><h2>How few carry it?</h2>
      <p class="big">${percent(c.most)}</p>
      <p>of the latents carry <b>90 % of the effect</b>; ${percent(c.half)} carry half, ${percent(c.nearlyAll)} carry 99 %.
        90 % of the energy takes ${percent(c.mostEnergy)}. ${count(this.data.summary.causallyDead.length)} latents fire and do nothing within error.</p></section>`;
  }

  dimension() {
    const d = this.data.summary.dimension;
    return html`<section class="card"><h2>How many directions matter?</h2>
      <p class="big">${Number(d.effectiveRank).toFixed(0)}</p>
      <p>of ${count(d.width)}: the effective rank of the output’s <b>sensitivity</b> here (participation ratio ${Number(d.participationRatio).toFixed(0)}, from ${count(d.rows)} gradients),
        beside ${count(this.data.summary.causal)} latents that carry 90 % of the effect.</p></section>`;
  }

  agreement() {
    const a = this.data.summary.agreement;
    const trust = a.spearmanFirings >= 0.9 ? 'ranks firings well' : a.spearmanFirings >= 0.7 ? 'ranks firings roughly' : 'is a poor guide here: use the exact figures';
    return html`<section class="card"><h2>Can one trust attribution?</h2>
      <p class="big">ρ = ${rho(a.spearmanFirings)}</p>
      <p>First-order attribution against exact ΔCE, firing by firing (latent by latent ${rho(a.spearmanLatents)}): it ${trust}.
        Its mean is ${nats(a.meanAttribution)} nats where the exact one is ${nats(a.meanIncrease)}: rank by it, <b>never add it up</b>.</p></section>`;
  }

  bands() {
    const rows = this.data.summary.bands;
    return html`<section class="card"><h2>Do weak activations matter?</h2>
      <table><thead><tr><th>quarter</th><th>energy</th><th>effect</th><th title="mean of a firing, nats">ΔCE</th></tr></thead>
        <tbody>${rows.map((b, i) => html`<tr><td>${['weakest', 'second', 'third', 'strongest'][i]}</td>
          <td>${percent(b.energy)}</td><td>${percent(b.kl)}</td><td>${nats(b.increase)}</td></tr>`)}</tbody></table></section>`;
  }

  list(title, note, rows) {
    if (!rows.length) return nothing;
    return html`<section class="card"><h2>${title} <small>${note}</small></h2>
      <p class="heads"><span></span><span>density</span><span>effect</span></p>
      ${rows.slice(0, 12).map(row => html`<a href=${`/latent/${row.latent}${writeQuery({sort: 'kl', order: 'desc', filter: ''})}`} data-inside>
        <span class="number">${row.latent}</span>
        <span class="label">${row.clear ? name(row) : row.tokens.slice(0, 3).map(piece)}</span>
        <small>${percent(row.density)}</small><small>${nats(row.effect?.kl)}</small></a>`)}</section>`;
  }
}
