package org.loupe.lm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.loupe.lm.HookPoint.Site;

/**
 * The one transformer, written as a function over libtorch's operators. In a block, with x̂ = x / √(mean(x²) + ε):
 *
 * <pre>
 * mid  = pre + Wo · attention(rotary(Wq · x̂(pre)), rotary(Wk · x̂(pre)), Wv · x̂(pre))
 * post = mid + Wdown · (silu(Wgate · x̂(mid)) ⊙ (Wup · x̂(mid)))
 * </pre>
 *
 * Products that share their input are one product: query, key and value; gate and up. The gains of a block's norms are
 * multiplied into the columns of those weights, so that hook_normalized is what the products read. Rotary pairs are two
 * neighbouring columns of a query or key, read as one complex number; the scores ⟨q, k⟩ do not depend on that order.
 *
 * <p>Shapes: s sequences, l tokens, d width, h heads, g key/value heads, e head width, m MLP width, v vocabulary.
 */
final class Transformer implements AutoCloseable {
    /**
     * @param queryKeyValue {@code [(h + 2g)·e, d]}
     * @param attentionOut {@code [d, h·e]}
     * @param gateUp {@code [2m, d]}
     * @param down {@code [d, m]}
     */
    private record Block(Tensor queryKeyValue, Tensor attentionOut, Tensor gateUp, Tensor down) {}

    private final Architecture architecture;
    private final Precision precision;
    private final List<Block> blocks = new ArrayList<>();
    private final List<Tensor> owned = new ArrayList<>();
    private final Tensor embed; // [v, d]
    private final Tensor finalGain; // [d]
    private final Tensor unembed; // [v, d]

    Transformer(Checkpoint checkpoint, Precision precision) {
        this.architecture = checkpoint.architecture();
        this.precision = precision;
        int width = architecture.width();
        for (int block = 0; block < architecture.layers(); block++) {
            float[] attentionGain = checkpoint.weight(Weight.ATTENTION_NORM, block);
            float[] mlpGain = checkpoint.weight(Weight.MLP_NORM, block);
            float[] queryKeyValue = joined(
                    pairsTogether(checkpoint.weight(Weight.QUERY, block)),
                    pairsTogether(checkpoint.weight(Weight.KEY, block)),
                    checkpoint.weight(Weight.VALUE, block));
            float[] gateUp = joined(checkpoint.weight(Weight.GATE, block), checkpoint.weight(Weight.UP, block));
            blocks.add(new Block(
                    own(scaledColumns(queryKeyValue, attentionGain), width),
                    own(
                            checkpoint.weight(Weight.ATTENTION_OUT, block),
                            architecture.heads() * architecture.headWidth()),
                    own(scaledColumns(gateUp, mlpGain), width),
                    own(checkpoint.weight(Weight.DOWN, block), architecture.mlpWidth())));
        }
        embed = own(checkpoint.weight(Weight.EMBED, 0), width);
        finalGain = own(checkpoint.weight(Weight.FINAL_NORM, 0), width).view(width);
        unembed = architecture.tied() ? embed : own(checkpoint.weight(Weight.UNEMBED, 0), width);
    }

    /** A weight of ours, {@code [values.length / columns, columns]}, in the model's precision; freed on close. */
    private Tensor own(float[] values, int columns) {
        Tensor tensor;
        try (PointerScope _ = new PointerScope()) {
            tensor = Tensors.keep(
                    Tensors.tensor(values, values.length / columns, columns).to(precision.scalarType()));
        }
        owned.add(tensor);
        return tensor;
    }

    private static float[] joined(float[]... parts) {
        float[] out = new float[Arrays.stream(parts).mapToInt(p -> p.length).sum()];
        int at = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, out, at, part.length);
            at += part.length;
        }
        return out;
    }

    private static float[] scaledColumns(float[] rows, float[] gain) {
        for (int i = 0; i < rows.length; i++) {
            rows[i] *= gain[i % gain.length];
        }
        return rows;
    }

    /** Rows a · (e / 2) + j of a head, a ∈ {0, 1}, go to rows 2j + a. */
    private float[] pairsTogether(float[] rows) {
        int width = architecture.width();
        int head = architecture.headWidth();
        float[] out = new float[rows.length];
        for (int row = 0; row < rows.length / width; row++) {
            int inHead = row % head;
            int target = row - inHead + 2 * (inHead % (head / 2)) + inHead / (head / 2);
            System.arraycopy(rows, row * width, out, target * width, width);
        }
        return out;
    }

    /** The residual stream that the embeddings start, {@code [s, l, d]}. */
    Tensor embedding(Tensor ids) {
        return torch.embedding(embed, ids);
    }

    /**
     * Runs the blocks.
     *
     * @param start the residual stream where the pass starts, {@code [s, l, d]}
     * @return the residual stream after the last block, {@code [s, l, d]}; when the pass is done earlier, nothing of use
     */
    Tensor run(Tensor start, int firstBlock, AttentionPlan plan, Pass pass) {
        Tensor x = start;
        for (int block = firstBlock; block < architecture.layers() && !pass.done(); block++) {
            Tensor pre = x;
            int number = block;
            x = Tensors.escaping(() -> block(number, pre, plan, pass));
        }
        return x;
    }

    private Tensor block(int block, Tensor start, AttentionPlan plan, Pass pass) {
        Tensor x = start;
        if (pass.computes(block, Site.RESID_MID)) {
            x = pass.at(block, Site.RESID_PRE, x);
            Tensor added = pass.done() ? x : attention(block, x, plan, pass);
            if (pass.done()) {
                return x;
            }
            x = pass.at(block, Site.RESID_MID, x.add(added)); // [s, l, d]
        }
        Tensor added = pass.done() ? x : mlp(block, x, pass);
        if (pass.done()) {
            return x;
        }
        return pass.at(block, Site.RESID_POST, x.add(added)); // [s, l, d]
    }

    private Tensor attention(int block, Tensor x, AttentionPlan plan, Pass pass) {
        Tensor normalized = pass.at(block, Site.LN1_NORMALIZED, normalize(x)); // [s, l, d]
        if (pass.done()) {
            return normalized;
        }
        Tensor z = pass.at(block, Site.ATTN_Z, attend(block, normalized, plan, pass.cache())); // [s, l, h·e]
        return pass.done()
                ? z
                : pass.at(
                        block, Site.ATTN_OUT, torch.linear(z, blocks.get(block).attentionOut()));
    }

    /** Grouped-query attention: query head i reads key/value head i · g / h. */
    private Tensor attend(int block, Tensor x, AttentionPlan plan, @Nullable KeyValueCache cache) {
        int h = architecture.heads();
        int g = architecture.kvHeads();
        int e = architecture.headWidth();
        long s = x.size(0);
        long l = x.size(1);
        Tensor joint = torch.linear(x, blocks.get(block).queryKeyValue()).view(s, l, h + 2L * g, e);
        Tensor turned = rotate(joint.narrow(2, 0, h + g), plan.rotary()); // [s, l, h + g, e]
        Tensor query = turned.narrow(2, 0, h).transpose(1, 2); // [s, h, l, e]
        Tensor key = turned.narrow(2, h, g).transpose(1, 2); // [s, g, l, e]
        Tensor value = joint.narrow(2, h + g, g).transpose(1, 2); // [s, g, l, e]
        if (cache != null) {
            cache.append(block, key, value);
            key = cache.keys(block);
            value = cache.values(block);
        }
        TensorOptional mask = plan.mask() == null ? new TensorOptional() : new TensorOptional(plan.mask());
        return torch.scaled_dot_product_attention(
                        query, key, value, mask, 0, plan.causal(), new DoubleOptional(), h != g)
                .transpose(1, 2)
                .reshape(s, l, (long) h * e);
    }

    /** Turns pairs of neighbouring columns, in f32. */
    private Tensor rotate(Tensor heads, Tensor rotary) {
        Tensor pairs = heads.to(torch.ScalarType.Float).unflatten(3, architecture.headWidth() / 2, 2);
        return torch.view_as_real(torch.view_as_complex(pairs).mul(rotary))
                .flatten(3, 4)
                .to(precision.scalarType());
    }

    private Tensor mlp(int block, Tensor x, Pass pass) {
        Tensor normalized = pass.at(block, Site.LN2_NORMALIZED, normalize(x)); // [s, l, d]
        if (pass.done()) {
            return normalized;
        }
        Tensor joint = torch.linear(normalized, blocks.get(block).gateUp()); // [s, l, 2m]
        int m = architecture.mlpWidth();
        Tensor inner = torch.silu(joint.narrow(2, 0, m)).mul(joint.narrow(2, m, m)); // [s, l, m]
        inner = pass.at(block, Site.MLP_POST, inner);
        return pass.done()
                ? inner
                : pass.at(
                        block,
                        Site.MLP_OUT,
                        torch.linear(inner, blocks.get(block).down()));
    }

    /** x / √(mean(x²) + ε) over the last dimension; the mean in f32. */
    private Tensor normalize(Tensor x) {
        Tensor wide = x.to(torch.ScalarType.Float);
        Tensor scale = wide.square()
                .mean(new long[] {-1}, true, new ScalarTypeOptional())
                .add(new Scalar(architecture.normEpsilon()))
                .rsqrt();
        return wide.mul(scale).to(precision.scalarType());
    }

    /** Final norm and unembedding, {@code [..., d]} to {@code [..., v]}, f32. */
    Tensor unembed(Tensor x) {
        return torch.linear(normalize(x).mul(finalGain), unembed).to(torch.ScalarType.Float);
    }

    /** Scores {@code [n, v]} of directions {@code [n, d]}, f32: the unembedding of directions times the final norm's gain. */
    Tensor directScores(Tensor directions) {
        return torch.linear(directions.to(precision.scalarType()).mul(finalGain), unembed)
                .to(torch.ScalarType.Float);
    }

    @Override
    public void close() {
        owned.forEach(Tensor::close);
    }
}
