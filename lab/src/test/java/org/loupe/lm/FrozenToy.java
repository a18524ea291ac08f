package org.loupe.lm;

import java.util.Map;
import java.util.Objects;

/**
 * The toy model of one text in double precision, written down from Llama's formulas, with attention patterns and norms' factors kept from
 * the text's own run: what the model's frozen gradients are the derivatives of.
 */
public final class FrozenToy {
    private static final int WIDTH = 32;
    private static final int HEADS = 4;
    private static final int GROUPS = 2;
    private static final int HEAD = 8;
    private static final int INNER = 48;
    private static final int LAYERS = 3;
    private static final int VOCABULARY = 300;

    private final Map<String, float[]> weights;
    private final double[][][][] patterns = new double[LAYERS][HEADS][][];
    private final double[][] attentionFactors = new double[LAYERS][];
    private final double[][] mlpFactors = new double[LAYERS][];
    private final double[][][] gates = new double[LAYERS][][];
    private final double[][][] ups = new double[LAYERS][][];
    private final double[] finalFactors;
    private final double[][] embedding;
    private MlpRule rule = MlpRule.GRADIENT; // the run itself

    /** @param rule GRADIENT: MLPs are what they are; SPLIT: the linear map of that rule */
    public FrozenToy(Map<String, float[]> weights, int[] ids, MlpRule rule) {
        this.weights = weights;
        embedding = new double[ids.length][WIDTH];
        for (int p = 0; p < ids.length; p++) {
            for (int c = 0; c < WIDTH; c++) {
                embedding[p][c] = weight("model.embed_tokens.weight")[ids[p] * WIDTH + c];
            }
        }
        double[][] x = embedding;
        for (int b = 0; b < LAYERS; b++) {
            attentionFactors[b] = factors(x);
            double[][] normal = normal(x, attentionFactors[b], name(b, "input_layernorm"));
            for (int h = 0; h < HEADS; h++) {
                patterns[b][h] = pattern(b, h, normal);
            }
            x = plus(x, attention(b, x));
            mlpFactors[b] = factors(x);
            double[][] inner = normal(x, mlpFactors[b], name(b, "post_attention_layernorm"));
            gates[b] = products(name(b, "mlp.gate_proj"), inner);
            ups[b] = products(name(b, "mlp.up_proj"), inner);
            x = plus(x, mlp(b, x));
        }
        finalFactors = factors(x);
        this.rule = rule;
    }

    private double[][] products(String name, double[][] x) {
        double[][] out = new double[x.length][];
        for (int p = 0; p < x.length; p++) {
            out[p] = product(name + ".weight", x[p], INNER);
        }
        return out;
    }

    /** The embeddings, [l][32]. */
    public double[][] embedding() {
        return embedding;
    }

    /** Rows after block {@code from} (−1: the embeddings) to rows after block {@code to}. */
    public double[][] onward(double[][] rows, int from, int to) {
        double[][] x = rows;
        for (int b = from + 1; b <= to; b++) {
            x = plus(x, attention(b, x));
            x = plus(x, mlp(b, x));
        }
        return x;
    }

    /** x / rms(x) before the gain, as ln2.hook_normalized has it, of rows before a block. */
    public double[][] normalizedForMlp(double[][] rows, int block) {
        double[][] mid = plus(rows, attention(block, rows));
        double[][] out = new double[mid.length][WIDTH];
        for (int p = 0; p < out.length; p++) {
            for (int c = 0; c < WIDTH; c++) {
                out[p][c] = mid[p][c] * mlpFactors[block][p];
            }
        }
        return out;
    }

    /** Rows before a block to rows after it, with something else in the place of its MLP's output. */
    public double[][] around(double[][] rows, int block, double[][] mlpOut) {
        return plus(plus(rows, attention(block, rows)), mlpOut);
    }

    /** Logit − mean logit of every token, after the last position, of rows after the last block. */
    public double[] logits(double[][] rows) {
        double[] normal = normal(rows, finalFactors, "model.norm")[rows.length - 1];
        double[] out = product("lm_head.weight", normal, VOCABULARY);
        double mean = 0;
        for (double logit : out) {
            mean += logit / VOCABULARY;
        }
        for (int t = 0; t < VOCABULARY; t++) {
            out[t] -= mean;
        }
        return out;
    }

    private double[][] attention(int block, double[][] x) {
        double[][] normal = normal(x, attentionFactors[block], name(block, "input_layernorm"));
        double[][] z = new double[x.length][HEADS * HEAD];
        for (int j = 0; j < x.length; j++) {
            double[] value = product(name(block, "self_attn.v_proj") + ".weight", normal[j], GROUPS * HEAD);
            for (int h = 0; h < HEADS; h++) {
                for (int i = j; i < x.length; i++) {
                    for (int e = 0; e < HEAD; e++) {
                        z[i][h * HEAD + e] += patterns[block][h][i][j] * value[h * GROUPS / HEADS * HEAD + e];
                    }
                }
            }
        }
        double[][] out = new double[x.length][];
        for (int i = 0; i < x.length; i++) {
            out[i] = product(name(block, "self_attn.o_proj") + ".weight", z[i], WIDTH);
        }
        return out;
    }

    private double[][] pattern(int block, int head, double[][] normal) {
        int l = normal.length;
        double[][] pattern = new double[l][l];
        for (int i = 0; i < l; i++) {
            double[] query =
                    turned(product(name(block, "self_attn.q_proj") + ".weight", normal[i], HEADS * HEAD), head, i);
            double sum = 0;
            for (int j = 0; j <= i; j++) {
                double[] key = turned(
                        product(name(block, "self_attn.k_proj") + ".weight", normal[j], GROUPS * HEAD),
                        head * GROUPS / HEADS,
                        j);
                double score = 0;
                for (int e = 0; e < HEAD; e++) {
                    score += query[e] * key[e];
                }
                pattern[i][j] = Math.exp(score / Math.sqrt(HEAD));
                sum += pattern[i][j];
            }
            for (int j = 0; j <= i; j++) {
                pattern[i][j] /= sum;
            }
        }
        return pattern;
    }

    /** A head's part turned by its position: column a pairs with column a + half. */
    private static double[] turned(double[] all, int head, int position) {
        double[] out = new double[HEAD];
        for (int a = 0; a < HEAD / 2; a++) {
            double angle = position * Math.pow(10_000, -2.0 * a / HEAD);
            double first = all[head * HEAD + a];
            double second = all[head * HEAD + a + HEAD / 2];
            out[a] = first * Math.cos(angle) - second * Math.sin(angle);
            out[a + HEAD / 2] = second * Math.cos(angle) + first * Math.sin(angle);
        }
        return out;
    }

    private double[][] mlp(int block, double[][] x) {
        double[][] normal = normal(x, mlpFactors[block], name(block, "post_attention_layernorm"));
        double[][] out = new double[x.length][];
        for (int p = 0; p < x.length; p++) {
            double[] gate = product(name(block, "mlp.gate_proj") + ".weight", normal[p], INNER);
            double[] up = product(name(block, "mlp.up_proj") + ".weight", normal[p], INNER);
            for (int m = 0; m < INNER; m++) {
                double g = gates[block][p][m];
                up[m] = rule == MlpRule.GRADIENT
                        ? up[m] * gate[m] / (1 + Math.exp(-gate[m]))
                        : (up[m] * g + ups[block][p][m] * gate[m]) / (1 + Math.exp(-g)) / 2;
            }
            out[p] = product(name(block, "mlp.down_proj") + ".weight", up, WIDTH);
        }
        return out;
    }

    private static double[] factors(double[][] x) {
        double[] out = new double[x.length];
        for (int p = 0; p < x.length; p++) {
            double square = 0;
            for (double value : x[p]) {
                square += value * value;
            }
            out[p] = 1 / Math.sqrt(square / WIDTH + 1e-5);
        }
        return out;
    }

    private double[][] normal(double[][] x, double[] factors, String norm) {
        float[] gain = weight(norm + ".weight");
        double[][] out = new double[x.length][WIDTH];
        for (int p = 0; p < x.length; p++) {
            for (int c = 0; c < WIDTH; c++) {
                out[p][c] = x[p][c] * factors[p] * gain[c];
            }
        }
        return out;
    }

    private double[] product(String name, double[] x, int rows) {
        float[] w = weight(name);
        double[] out = new double[rows];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < x.length; c++) {
                out[r] += w[r * x.length + c] * x[c];
            }
        }
        return out;
    }

    private static double[][] plus(double[][] a, double[][] b) {
        double[][] out = new double[a.length][];
        for (int p = 0; p < a.length; p++) {
            out[p] = a[p].clone();
            for (int c = 0; c < out[p].length; c++) {
                out[p][c] += b[p][c];
            }
        }
        return out;
    }

    private static String name(int block, String part) {
        return "model.layers." + block + "." + part;
    }

    private float[] weight(String name) {
        return Objects.requireNonNull(weights.get(name), name);
    }
}
