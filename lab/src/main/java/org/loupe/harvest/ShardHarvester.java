package org.loupe.harvest;

import java.util.Arrays;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.Finite;
import org.loupe.activations.StoreWriter;
import org.loupe.io.BadInput;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/** Harvests ranges of a plan's rows. A range gives one shard, and nothing but plan, range and norm limit decides its bytes. */
final class ShardHarvester {
    /** Rows with a norm above this multiple of the median are attention sinks: on SmolLM2 theirs is 100 times the median. */
    static final double SINK = 3.0;

    private final Subject subject;
    private final TokenPlan plan;
    private final int batch;
    /** Rows of the first batch, which the norm limit needs before the first shard does. */
    private @Nullable Matrix first;

    ShardHarvester(Subject subject, TokenPlan plan, int batch) {
        this.subject = subject;
        this.plan = plan;
        this.batch = batch;
    }

    /** {@value #SINK} × the median norm of the document tokens of the first batch. */
    double normLimit() {
        TokenBatch tokens = plan.batch(0, Math.min(batch, plan.rows()));
        int[] positions = tokens.positions();
        Matrix rows = subject.forward().apply(tokens);
        first = rows;
        double[] norms = new double[tokens.size()];
        int count = 0;
        for (int i = 0; i < tokens.size(); i++) {
            if (isOfDocument(tokens, i) && positions[i] > 0) {
                norms[count++] = norm(rows, i);
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
     * above the limit.
     *
     * @param limit largest norm kept; 0 keeps everything
     * @param progress told the number of document tokens of each batch after it has run
     */
    StoreWriter.Rows harvest(int from, int to, double limit, IntConsumer progress) {
        int most = Math.toIntExact(plan.tokens(from, to));
        Kept kept = new Kept(Matrix.zeros(most, subject.width()), new int[most], new int[most], new int[most]);
        for (int row = from; row < to; row += batch) {
            int end = Math.min(to, row + batch);
            TokenBatch tokens = plan.batch(row, end);
            keep(tokens, rows(row, tokens), row, limit, kept);
            progress.accept(Math.toIntExact(plan.tokens(row, end)));
        }
        return new StoreWriter.Rows(kept.rows.head(kept.count), kept.token, kept.position, kept.document);
    }

    private Matrix rows(int row, TokenBatch tokens) {
        Matrix known = first;
        first = null;
        return known != null && row == 0 && known.rows() == tokens.size()
                ? known
                : subject.forward().apply(tokens);
    }

    /** The rows of a shard so far. */
    private static final class Kept {
        private final Matrix rows;
        private final int[] token;
        private final int[] position;
        private final int[] document;
        private int count;

        Kept(Matrix rows, int[] token, int[] position, int[] document) {
            this.rows = rows;
            this.token = token;
            this.position = position;
            this.document = document;
        }
    }

    private void keep(TokenBatch tokens, Matrix rows, int firstRow, double limit, Kept kept) {
        int[] positions = tokens.positions();
        for (int i = 0; i < tokens.size(); i++) {
            if (!isOfDocument(tokens, i)) {
                continue;
            }
            int document = plan.firstDocument(firstRow + i / tokens.length()) + segment(tokens, i) - 1;
            int column = Finite.firstBad(rows, i);
            if (column >= 0) {
                throw new BadInput("model " + subject.name() + ": the activation of token " + tokens.ids()[i] + " ('"
                        + subject.decode().apply(new int[] {tokens.ids()[i]}) + "') at position " + positions[i]
                        + " of document " + document + " is " + rows.at(i, column) + " in column " + column);
            }
            if (limit > 0 && (positions[i] == 0 || norm(rows, i) > limit)) {
                continue;
            }
            System.arraycopy(rows.data(), rows.offset(i), kept.rows.data(), kept.rows.offset(kept.count), rows.cols());
            kept.token[kept.count] = tokens.ids()[i];
            kept.position[kept.count] = positions[i];
            kept.document[kept.count] = document;
            kept.count++;
        }
    }

    private static int segment(TokenBatch tokens, int index) {
        int[] segments = tokens.segments();
        return segments == null ? 0 : segments[index];
    }

    private static boolean isOfDocument(TokenBatch tokens, int index) {
        return segment(tokens, index) > 0;
    }

    private static double norm(Matrix rows, int row) {
        double squares = 0;
        int from = rows.offset(row);
        for (int i = from; i < from + rows.cols(); i++) {
            squares += (double) rows.data()[i] * rows.data()[i];
        }
        return Math.sqrt(squares);
    }
}
