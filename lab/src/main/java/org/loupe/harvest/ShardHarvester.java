package org.loupe.harvest;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.Finite;
import org.loupe.activations.StoreWriter;
import org.loupe.io.BadInput;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/** Harvests ranges of a plan's rows. A range gives one shard, and nothing but plan, range and norm limits decides its bytes. */
final class ShardHarvester {
    /** Rows with a norm above this multiple of the median are attention sinks: on SmolLM2 theirs is 100 times the median. */
    static final double SINK = 3.0;

    private final Subject subject;
    private final TokenPlan plan;
    private final int batch;
    private final int inputs;
    /** Rows of the first batch, which the norm limits need before the first shard does. */
    private Forward.@Nullable Rows first;

    private final boolean gradients;

    ShardHarvester(Subject subject, TokenPlan plan, HarvestConfig config) {
        this.subject = subject;
        this.plan = plan;
        this.batch = config.batch();
        this.inputs = config.hooks().inputs().size();
        this.gradients = config.hooks().gradients() != null;
    }

    /** {@value #SINK} × the median norm of the document tokens of the first batch, for each hook point. */
    List<Double> normLimits() {
        TokenBatch tokens = plan.batch(0, Math.min(batch, plan.rows()));
        Forward.Rows rows = subject.forward().of(tokens, 0);
        first = rows;
        return rows.parts().stream().map(part -> normLimit(tokens, part)).toList();
    }

    private static double normLimit(TokenBatch tokens, Matrix rows) {
        int[] positions = tokens.positions();
        double[] norms = new double[tokens.size()];
        int count = 0;
        for (int i = 0; i < tokens.size(); i++) {
            if (tokens.document(i) > 0 && positions[i] > 0) {
                norms[count++] = RowNorms.of(rows, i);
            }
        }
        if (count == 0) {
            throw new BadInput(
                    "the first " + tokens.sequences() + " rows of text hold no token after a first position");
        }
        Arrays.sort(norms, 0, count);
        return SINK * norms[count / 2];
    }

    /**
     * Runs rows [from, to) of the plan and keeps their document tokens, without the first position and the rows whose norm is
     * above the limit at any hook point.
     *
     * @param limits largest norm kept at each hook point; 0 keeps everything
     * @param progress told the number of document tokens of each batch after it has run
     */
    StoreWriter.Rows harvest(int from, int to, List<Double> limits, IntConsumer progress) {
        int most = Math.toIntExact(plan.tokens(from, to));
        Kept kept = new Kept(most, subject.widths(), inputs, gradients);
        for (int row = from; row < to; row += batch) {
            int end = Math.min(to, row + batch);
            TokenBatch tokens = plan.batch(row, end);
            keep(tokens, rows(row, tokens), row, limits, kept);
            progress.accept(Math.toIntExact(plan.tokens(row, end)));
        }
        return kept.rows();
    }

    private Forward.Rows rows(int row, TokenBatch tokens) {
        Forward.Rows known = first;
        first = null;
        return known != null && row == 0 && known.parts().getFirst().rows() == tokens.size()
                ? known
                : subject.forward().of(tokens, row);
    }

    /** The rows of a shard so far: inputs side by side in one matrix, targets in another, gradients in a third. */
    private static final class Kept {
        private final int inputs;
        private final Matrix activations;
        private final @Nullable Matrix targets;
        private final @Nullable Matrix gradients;
        private final int[] token;
        private final int[] position;
        private final int[] document;
        private int count;

        Kept(int most, List<Integer> widths, int inputs, boolean gradients) {
            this.inputs = inputs;
            this.activations = Matrix.zeros(
                    most, widths.stream().limit(inputs).mapToInt(w -> w).sum());
            this.targets = widths.size() > inputs ? Matrix.zeros(most, widths.getLast()) : null;
            this.gradients = gradients ? Matrix.zeros(most, activations.cols()) : null;
            this.token = new int[most];
            this.position = new int[most];
            this.document = new int[most];
        }

        void add(Forward.Rows rows, int row, int token, int position, int document) {
            int column = 0;
            for (Matrix part : rows.parts().subList(0, inputs)) {
                copy(part, row, activations, column);
                column += part.cols();
            }
            if (targets != null) {
                copy(rows.parts().getLast(), row, targets, 0);
            }
            if (gradients != null) {
                copy(Objects.requireNonNull(rows.gradients(), "gradients"), row, gradients, 0);
            }
            this.token[count] = token;
            this.position[count] = position;
            this.document[count] = document;
            count++;
        }

        private void copy(Matrix from, int row, Matrix to, int column) {
            System.arraycopy(from.data(), from.offset(row), to.data(), to.offset(count) + column, from.cols());
        }

        StoreWriter.Rows rows() {
            return new StoreWriter.Rows(
                    activations.head(count),
                    token,
                    position,
                    document,
                    targets == null ? null : targets.head(count),
                    gradients == null ? null : gradients.head(count));
        }
    }

    private void keep(TokenBatch tokens, Forward.Rows rows, int firstRow, List<Double> limits, Kept kept) {
        int[] positions = tokens.positions();
        boolean keepSinks = limits.stream().allMatch(limit -> limit == 0);
        for (int i = 0; i < tokens.size(); i++) {
            if (tokens.document(i) < 1) {
                continue;
            }
            int document = plan.firstDocument(firstRow + i / tokens.length()) + tokens.document(i) - 1;
            for (Matrix part : rows.parts()) {
                requireFinite("activation", part, tokens, i, positions[i], document);
            }
            if (rows.gradients() != null) {
                requireFinite("gradient", rows.gradients(), tokens, i, positions[i], document);
            }
            if ((keepSinks || positions[i] > 0) && RowNorms.isWithin(rows.parts(), i, limits)) {
                kept.add(rows, i, tokens.ids()[i], positions[i], document);
            }
        }
    }

    private void requireFinite(String what, Matrix rows, TokenBatch tokens, int i, int position, int document) {
        int column = Finite.firstBad(rows, i);
        if (column >= 0) {
            throw new BadInput("model " + subject.name() + ": the " + what + " of token " + tokens.ids()[i] + " ('"
                    + subject.decode().apply(new int[] {tokens.ids()[i]}) + "') at position " + position
                    + " of document " + document + " is " + rows.at(i, column) + " in column " + column);
        }
    }
}
