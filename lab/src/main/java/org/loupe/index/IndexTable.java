package org.loupe.index;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * One of the index's two tables.
 *
 * @param table its name; its file's without the ending
 * @param columns in order
 */
record IndexTable(String table, List<Column> columns) {
    /** A column: its name, DuckDB's type and what it means. */
    record Column(String name, String type, String meaning) {}

    static final IndexTable LATENTS = new IndexTable(
            "latents",
            List.of(
                    new Column("latent", "INTEGER", "number of the latent, ascending from 0"),
                    new Column("count", "BIGINT", "rows of the store on which it fires (activation above 0)"),
                    new Column("density", "DOUBLE", "count / rows of the store"),
                    new Column("documents", "INTEGER", "documents in which it fires"),
                    new Column(
                            "mean",
                            "FLOAT",
                            "mean size of the activation over the rows on which it fires; 0 if it never does"),
                    new Column("max", "FLOAT", "largest size of an activation"),
                    new Column("histogram", "INTEGER[]", "counts in 40 equal-width bins of (0, max]"),
                    new Column(
                            "label",
                            "VARCHAR",
                            "category and commonest tokens where the enrichment is clear, else empty"),
                    new Column(
                            "category",
                            "VARCHAR",
                            "most enriched category of its 50 strongest documents, clear or not"),
                    new Column("hits", "INTEGER", "of those documents, how many are of that category"),
                    new Column("drawn", "INTEGER", "of those documents, how many have a category"),
                    new Column("base", "DOUBLE", "share of that category among the store's documents that have one"),
                    new Column("lift", "DOUBLE", "(hits / drawn) / base"),
                    new Column(
                            "log10_p",
                            "DOUBLE",
                            "log10 of the hypergeometric upper tail P(X >= hits), this category alone"),
                    new Column(
                            "top_tokens",
                            "VARCHAR[]",
                            "strongest tokens of its 50 strongest documents, commonest first; a hyphen before a token that"
                                    + " continues a word"),
                    new Column("top_token_counts", "INTEGER[]", "of those documents, how many have each"),
                    new Column(
                            "flags",
                            "VARCHAR[]",
                            "dead; single token and position: 80 % of the strongest tokens are one string,"
                                    + " or stand at one position or two neighbouring ones"),
                    new Column("promoted", "VARCHAR[]", "tokens whose logits the decoder row raises most"),
                    new Column(
                            "promoted_logits",
                            "FLOAT[]",
                            "by how much, for activation 1 and without the final norm's division"),
                    new Column("suppressed", "VARCHAR[]", "tokens whose logits it lowers most"),
                    new Column("suppressed_logits", "FLOAT[]", "by how much"),
                    new Column("neighbours", "INTEGER[]", "latents with the nearest decoder rows"),
                    new Column("cosines", "FLOAT[]", "cosine of the decoder rows")));
    static final IndexTable EXAMPLES = new IndexTable(
            "examples",
            List.of(
                    new Column("latent", "INTEGER", "number of the latent, ascending"),
                    new Column(
                            "interval",
                            "INTEGER",
                            "-1: a top example; i >= 0: sampled from documents whose largest activation, by size, lies"
                                    + " in (i, i + 1] / 5 of the latent's"),
                    new Column("rank", "INTEGER", "0 for the first of its group"),
                    new Column("document", "INTEGER", "number of the document in the store"),
                    new Column("category", "VARCHAR", "the document's category, or empty"),
                    new Column(
                            "activation",
                            "FLOAT",
                            "the latent's largest activation in the document, by size; with its sign"),
                    new Column("at", "INTEGER", "index in tokens where that is, from 0"),
                    new Column("position", "INTEGER", "its position in the document, the prefix counted"),
                    new Column("cut_before", "BOOLEAN", "the document goes on before the first token"),
                    new Column("cut_after", "BOOLEAN", "the document goes on after the last token"),
                    new Column("tokens", "VARCHAR[]", "pieces of text, leading spaces kept"),
                    new Column(
                            "activations",
                            "FLOAT[]",
                            "the latent's activation on each token; null where the store dropped the row")));

    /** Of an index with effects only. */
    static final IndexTable EFFECTS = new IndexTable(
            "effects",
            List.of(
                    new Column("latent", "INTEGER", "number of the latent, ascending from 0"),
                    new Column(
                            "firings",
                            "BIGINT",
                            "firings attributed: tokens on which it is active and after which the document goes on"),
                    new Column(
                            "attribution",
                            "DOUBLE",
                            "mean first-order effect of ablating a firing on the cross-entropy of the rest of the document, nats"),
                    new Column("attribution_size", "DOUBLE", "mean absolute value of that"),
                    new Column("sign_consistency", "DOUBLE", "share of firings that have its commoner sign"),
                    new Column("per_energy", "DOUBLE", "sum of |attribution| / sum of f^2 |d|^2, nats"),
                    new Column("per_energy_error", "DOUBLE", "its standard error over sequences"),
                    new Column("ablated", "INTEGER", "firings ablated exactly, one by one"),
                    new Column(
                            "delta_ce",
                            "DOUBLE",
                            "mean exact increase of the cross-entropy of the rest of the document, nats a firing"),
                    new Column("delta_ce_error", "DOUBLE", "its standard error"),
                    new Column(
                            "kl",
                            "DOUBLE",
                            "mean exact KL(as it is || ablated) of the rest of the document, nats a firing"),
                    new Column("kl_error", "DOUBLE", "its standard error"),
                    new Column("total", "DOUBLE", "kl times count of the latents table, nats"),
                    new Column(
                            "band_size",
                            "DOUBLE[]",
                            "mean |attribution| in each quarter of its firings, weakest activations first"),
                    new Column(
                            "raised",
                            "VARCHAR[]",
                            "tokens whose probability as the next one a firing raises most, measured"),
                    new Column("raised_ids", "INTEGER[]", "their ids"),
                    new Column("raised_by", "FLOAT[]", "mean p as it is - p ablated"),
                    new Column("lowered", "VARCHAR[]", "tokens that it lowers most"),
                    new Column("lowered_ids", "INTEGER[]", "their ids"),
                    new Column("lowered_by", "FLOAT[]", "mean p as it is - p ablated"),
                    new Column(
                            "delta_confidence",
                            "DOUBLE",
                            "mean change of token confidence with its largest activation added"),
                    new Column("amplified_kl", "DOUBLE", "mean KL(as it is || amplified) of the next token, nats"),
                    new Column("causally_dead", "BOOLEAN", "fires, and its kl is within error of nothing")));

    static final List<IndexTable> ALL = List.of(LATENTS, EXAMPLES);

    String file() {
        return table + ".parquet";
    }

    /** The SQL that makes the table. */
    String create() {
        return columns.stream()
                .map(c -> '"' + c.name() + "\" " + c.type())
                .collect(Collectors.joining(", ", "CREATE TABLE " + table + " (", ")"));
    }

    /** What each column means, for {@code index.json}. */
    Map<String, String> meaning() {
        Map<String, String> meaning = new LinkedHashMap<>();
        for (Column column : columns) {
            meaning.put(column.name(), column.type() + ": " + column.meaning());
        }
        return meaning;
    }
}
