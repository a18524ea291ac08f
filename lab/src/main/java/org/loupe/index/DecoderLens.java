package org.loupe.index;

import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.LogitLens;
import org.loupe.sae.Activation;
import org.loupe.sae.Encoder;
import org.loupe.sae.Latents;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** What follows from the decoder rows alone: the logit lens, and for each latent the latents with the nearest rows. */
final class DecoderLens {
    private static final int TOKENS = 10;
    private static final int NEIGHBOURS = 8;

    private final Sae sae;
    private final @Nullable LanguageModel model;
    private final IntFunction<String> pieces;
    private final Matrix unit;
    private final Encoder nearest;

    /**
     * @param hookOut where the decoder writes; without a lens unless it is one hook point, in the residual stream or adding to it
     */
    DecoderLens(Sae sae, String hookOut, Vocabulary vocabulary, Workers workers) {
        this.sae = sae;
        LanguageModel given = vocabulary.model();
        boolean fits = given != null && writesToStream(hookOut) && given.info().width() == sae.dOut();
        this.model = fits ? given : null;
        this.pieces = vocabulary.pieces();
        this.unit = unitRows(sae.decoder());
        // Cosines are products of unit rows, so the nearest rows are what a top-k encoder with those rows as weights
        // finds.
        int k = Math.min(sae.latents(), NEIGHBOURS + 1);
        float[] zeros = new float[sae.latents()];
        this.nearest =
                new Encoder(new Sae(unit, zeros, unit, new float[sae.dOut()], new Activation.TopK(k), false), workers);
    }

    private static boolean writesToStream(String hook) {
        if (hook.isEmpty()) {
            return false;
        }
        List<HookPoint> points = HookPoint.parseAll(hook);
        HookPoint.Site site = points.getFirst().site();
        return points.size() == 1
                && (site.isResidual() || site == HookPoint.Site.ATTN_OUT || site == HookPoint.Site.MLP_OUT);
    }

    private static Matrix unitRows(Matrix rows) {
        Matrix unit = Matrix.zeros(rows.rows(), rows.cols());
        for (int r = 0; r < rows.rows(); r++) {
            double square = 0;
            for (int c = 0; c < rows.cols(); c++) {
                square += (double) rows.at(r, c) * rows.at(r, c);
            }
            float scale = square == 0 ? 0 : (float) (1 / Math.sqrt(square));
            for (int c = 0; c < rows.cols(); c++) {
                unit.data()[unit.offset(r) + c] = scale * rows.at(r, c);
            }
        }
        return unit;
    }

    /** Adds lens and neighbours to the profiles of consecutive latents. */
    List<LatentProfile> complete(List<LatentProfile> profiles) {
        int from = profiles.getFirst().latent();
        int count = profiles.size();
        Latents near = nearest.encode(slice(unit, from, count));
        @Nullable LogitLens lens = model == null ? null : model.logitLens(slice(sae.decoder(), from, count), TOKENS);
        return java.util.stream.IntStream.range(0, count)
                .mapToObj(i -> complete(profiles.get(i), near, lens, i))
                .toList();
    }

    private static Matrix slice(Matrix rows, int from, int count) {
        return new Matrix(
                count,
                rows.cols(),
                Arrays.copyOfRange(rows.data(), rows.offset(from), rows.offset(from) + count * rows.cols()));
    }

    private LatentProfile complete(LatentProfile profile, Latents near, @Nullable LogitLens lens, int row) {
        int from = near.starts()[row];
        int[] order = java.util.stream.IntStream.range(from, near.starts()[row + 1])
                .filter(e -> near.index()[e] != profile.latent())
                .boxed()
                .sorted(java.util.Comparator.comparingDouble((Integer e) -> -near.value()[e])
                        .thenComparingInt(e -> near.index()[e]))
                .limit(NEIGHBOURS)
                .mapToInt(e -> e)
                .toArray();
        float[] cosines = new float[order.length];
        for (int i = 0; i < order.length; i++) {
            cosines[i] = near.value()[order[i]];
        }
        return profile.with(
                lens == null ? LatentProfile.Lens.NONE : tokens(lens, row),
                Arrays.stream(order).map(e -> near.index()[e]).toArray(),
                cosines);
    }

    private LatentProfile.Lens tokens(LogitLens lens, int row) {
        int from = row * lens.top();
        int to = from + lens.top();
        return new LatentProfile.Lens(
                Arrays.stream(lens.promoted(), from, to).mapToObj(pieces).toList(),
                Arrays.copyOfRange(lens.promotedScores(), from, to),
                Arrays.stream(lens.suppressed(), from, to).mapToObj(pieces).toList(),
                Arrays.copyOfRange(lens.suppressedScores(), from, to));
    }
}
