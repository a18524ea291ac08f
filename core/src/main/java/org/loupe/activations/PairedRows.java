package org.loupe.activations;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.tensor.Matrix;

/**
 * Two sources side by side, row by row: what a transcoder reads and what it is to write, or rows and their gradients. Closing it
 * closes both.
 *
 * @param in the inputs
 * @param out the targets
 */
public record PairedRows(RowSource in, RowSource out) implements RowSource {
    /**
     * Refuses sources that cannot be of the same tokens.
     *
     * @throws BadInput where they have different numbers of rows or targets of their own, or are known to be of different
     *     models, texts or orders of a text
     */
    public PairedRows {
        if (in.rows() != out.rows()) {
            throw new BadInput(out.name() + ": holds " + out.rows() + " targets for the " + in.rows() + " rows of "
                    + in.name() + ", expected one for each");
        }
        for (RowSource source : List.of(in, out)) {
            if (source.targetWidth() != 0) {
                throw new BadInput(source.name() + ": holds targets of its own already");
            }
        }
        requireSame(
                in,
                out,
                "model",
                in.provenance().modelSha256(),
                out.provenance().modelSha256());
        requireSame(in, out, "text", in.provenance().text(), out.provenance().text());
        if (!in.provenance().text().isEmpty()) {
            requireSame(in, out, "seed", seed(in), seed(out));
        }
    }

    private static String seed(RowSource rows) {
        return String.valueOf(rows.provenance().seed());
    }

    private static void requireSame(RowSource in, RowSource out, String what, String here, String there) {
        if (!here.isEmpty() && !there.isEmpty() && !here.equals(there)) {
            throw new BadInput(out.name() + ": its " + what + " is '" + there + "', that of " + in.name() + " is '"
                    + here + "': the targets must be of the same tokens");
        }
    }

    @Override
    public long rows() {
        return in.rows();
    }

    @Override
    public int width() {
        return in.width() + out.width();
    }

    @Override
    public int targetWidth() {
        return out.width();
    }

    @Override
    public List<Integer> parts() {
        return in.parts();
    }

    @Override
    public RowSource inputs() {
        return in;
    }

    @Override
    public void read(long from, int count, Matrix rows, int at) {
        rows.requireCols(width(), name());
        Matrix x = Matrix.zeros(count, in.width());
        Matrix y = Matrix.zeros(count, out.width());
        in.read(from, count, x, 0);
        out.read(from, count, y, 0);
        x.copyColumns(0, x.cols(), rows, at, 0);
        y.copyColumns(0, y.cols(), rows, at, x.cols());
    }

    /** That of both; F32 where they differ. */
    @Override
    public Dtype dtype() {
        return in.dtype() == out.dtype() ? in.dtype() : Dtype.F32;
    }

    @Override
    public void readRaw(long from, int count, MemorySegment rows, long at) {
        if (in.dtype() != out.dtype()) {
            RowSource.super.readRaw(from, count, rows, at);
            return;
        }
        long inBytes = (long) in.width() * dtype().bytes();
        long outBytes = (long) out.width() * dtype().bytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment x = arena.allocate(Math.max(1, count * inBytes), 64);
            MemorySegment y = arena.allocate(Math.max(1, count * outBytes), 64);
            in.readRaw(from, count, x, 0);
            out.readRaw(from, count, y, 0);
            for (int r = 0; r < count; r++) {
                long row = at + r * (inBytes + outBytes);
                MemorySegment.copy(x, r * inBytes, rows, row, inBytes);
                MemorySegment.copy(y, r * outBytes, rows, row + inBytes, outBytes);
            }
        }
    }

    @Override
    public boolean inMemory() {
        return in.inMemory() && out.inMemory();
    }

    @Override
    public String name() {
        return in.name() + " beside " + out.name();
    }

    /** That of the inputs. */
    @Override
    public Provenance provenance() {
        return in.provenance();
    }

    @Override
    public String targetHook() {
        return out.provenance().hook();
    }

    @Override
    public void close() {
        try (out;
                in) {
            return;
        }
    }
}
