package org.loupe.activations;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.io.Safetensors;
import org.loupe.io.Sha256;
import org.loupe.tensor.Matrix;

/**
 * An activation store, memory-mapped: a folder of safetensors shards, each with {@code activations} [rows × width] (BF16 or
 * F32) and {@code token}, {@code position}, {@code document} (I32 [rows]), described by {@code store.json}. A store of pairs has
 * {@code targets} [rows × target width] too, and reads them behind the activations. A store with gradients has {@code gradients}
 * [rows × width] too, which {@link #gradients} reads and nothing else does.
 *
 * <p>Rows of one document are consecutive and ordered by position, and document numbers never decrease along the store.
 * Opening checks that every shard is there with the rows and width that {@code store.json} says; {@link #verify} reads all
 * bytes and compares checksums. A NaN or infinity is refused when read decoded.
 */
public final class ActivationStore implements RowSource {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path folder;
    private final StoreInfo info;
    private final List<Shard> shards;
    /** Shard s holds rows [starts[s], starts[s + 1]). */
    private final long[] starts;

    private record Shard(
            Safetensors file,
            Safetensors.Entry activations,
            Safetensors.@Nullable Entry targets,
            Safetensors.@Nullable Entry gradients,
            MemorySegment token,
            MemorySegment position,
            MemorySegment document) {}

    private ActivationStore(Path folder, StoreInfo info, List<Shard> shards) {
        this.folder = folder;
        this.info = info;
        this.shards = List.copyOf(shards);
        this.starts = new long[shards.size() + 1];
        for (int s = 0; s < shards.size(); s++) {
            starts[s + 1] = starts[s] + info.shards().get(s).rows();
        }
    }

    /**
     * Opens a store.
     *
     * @throws BadInput naming the file where one is missing, truncated, or not what {@code store.json} says
     */
    public static ActivationStore open(Path folder) {
        Path described = folder.resolve(StoreInfo.FILE);
        if (!Files.isRegularFile(described)) {
            throw BadInput.in(
                    folder,
                    "is not a finished activation store: it has no " + StoreInfo.FILE + " (run the harvest again)");
        }
        StoreInfo info = StoreInfo.read(described);
        if (!Files.isRegularFile(folder.resolve(info.documents()))) {
            throw BadInput.in(folder.resolve(info.documents()), "no such file, though " + StoreInfo.FILE + " names it");
        }
        List<Shard> shards = new ArrayList<>();
        try {
            for (StoreInfo.Shard shard : info.shards()) {
                shards.add(open(folder.resolve(shard.name()), info, shard.rows()));
            }
        } catch (RuntimeException e) {
            shards.forEach(s -> s.file().close());
            throw e;
        }
        return new ActivationStore(folder, info, shards);
    }

    private static Shard open(Path path, StoreInfo info, long rows) {
        Safetensors file = Safetensors.open(path);
        try {
            return new Shard(
                    file,
                    require(file, "activations", info.dtype(), rows, info.width()),
                    info.target() == null ? null : require(file, "targets", info.dtype(), rows, info.targetWidth()),
                    info.gradients() == null ? null : require(file, "gradients", info.dtype(), rows, info.width()),
                    require(file, "token", Dtype.I32, rows).data(),
                    require(file, "position", Dtype.I32, rows).data(),
                    require(file, "document", Dtype.I32, rows).data());
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static Safetensors.Entry require(Safetensors file, String name, Dtype dtype, long... shape) {
        Safetensors.Entry entry = file.entry(name).requireShape(shape);
        if (entry.dtype() != dtype) {
            throw BadInput.in(file.file(), "tensor '" + name + "' is " + entry.dtype() + ", expected " + dtype);
        }
        return entry;
    }

    public StoreInfo info() {
        return info;
    }

    public Path folder() {
        return folder;
    }

    @Override
    public long rows() {
        return info.rows();
    }

    /** Width of the inputs and, behind them, of the targets. */
    @Override
    public int width() {
        return info.width() + info.targetWidth();
    }

    @Override
    public int targetWidth() {
        return info.targetWidth();
    }

    @Override
    public List<Integer> parts() {
        return info.parts().stream().map(StoreInfo.Part::width).toList();
    }

    @Override
    public String targetHook() {
        return info.target() == null ? "" : info.target().hook();
    }

    @Override
    public RowSource inputs() {
        return info.target() == null ? this : new StoreInputs(this);
    }

    @Override
    public Dtype dtype() {
        return info.dtype();
    }

    @Override
    public String name() {
        return folder.toString();
    }

    @Override
    public Provenance provenance() {
        return info.provenance();
    }

    @Override
    public void read(long from, int count, Matrix out, int at) {
        out.requireCols(width(), name());
        if (info.target() == null) {
            readInputs(from, count, out, at);
            return;
        }
        Matrix x = Matrix.zeros(count, info.width());
        Matrix y = Matrix.zeros(count, info.targetWidth());
        pieces(from, count, (shard, row, n, done) -> {
            floats(shard.activations(), row, n, x, done);
            floats(targets(shard), row, n, y, done);
        });
        x.copyColumns(0, x.cols(), out, at, 0);
        y.copyColumns(0, y.cols(), out, at, x.cols());
        Finite.require(out, at, count, name(), from);
    }

    @Override
    public RowSource gradients() {
        return info.gradients() == null ? RowSource.super.gradients() : new StoreGradients(this);
    }

    @Override
    public String gradientLoss() {
        return info.gradients() == null ? "" : info.gradients().key();
    }

    /** The activations of rows [from, from + count) as f32, to rows {@code at} on of {@code out}, [· × info().width()]. */
    void readInputs(long from, int count, Matrix out, int at) {
        pieces(from, count, (shard, row, n, done) -> floats(shard.activations(), row, n, out, at + done));
        Finite.require(out, at, count, name(), from);
    }

    /** The gradients of rows [from, from + count) as f32, to rows {@code at} on of {@code out}. */
    void readGradients(long from, int count, Matrix out, int at) {
        pieces(from, count, (shard, row, n, done) -> floats(gradients(shard), row, n, out, at + done));
        Finite.require(out, at, count, "gradients of " + name(), from);
    }

    private static void floats(Safetensors.Entry entry, long row, int count, Matrix out, int at) {
        entry.floats(row * out.cols(), out.data(), out.offset(at), count * out.cols());
    }

    @Override
    public void readRaw(long from, int count, MemorySegment out, long at) {
        if (info.target() == null) {
            readRawInputs(from, count, out, at);
            return;
        }
        long inBytes = (long) info.width() * dtype().bytes();
        long outBytes = (long) info.targetWidth() * dtype().bytes();
        pieces(from, count, (shard, row, n, done) -> {
            MemorySegment x = shard.activations().data();
            MemorySegment y = targets(shard).data();
            for (int i = 0; i < n; i++) {
                long to = at + (done + i) * (inBytes + outBytes);
                MemorySegment.copy(x, (row + i) * inBytes, out, to, inBytes);
                MemorySegment.copy(y, (row + i) * outBytes, out, to + inBytes, outBytes);
            }
        });
    }

    /** The activations of rows [from, from + count) undecoded and unchecked. */
    void readRawInputs(long from, int count, MemorySegment out, long at) {
        readRaw(Shard::activations, from, count, out, at);
    }

    /** The gradients of rows [from, from + count) undecoded and unchecked. */
    void readRawGradients(long from, int count, MemorySegment out, long at) {
        readRaw(ActivationStore::gradients, from, count, out, at);
    }

    private void readRaw(Function<Shard, Safetensors.Entry> tensor, long from, int count, MemorySegment out, long at) {
        long rowBytes = (long) info.width() * dtype().bytes();
        pieces(
                from,
                count,
                (shard, row, n, done) -> MemorySegment.copy(
                        tensor.apply(shard).data(), row * rowBytes, out, at + done * rowBytes, n * rowBytes));
    }

    private static Safetensors.Entry targets(Shard shard) {
        return Objects.requireNonNull(shard.targets(), "targets");
    }

    private static Safetensors.Entry gradients(Shard shard) {
        return Objects.requireNonNull(shard.gradients(), "gradients");
    }

    /** Token id of a row. */
    public int token(long row) {
        return tokens(row, 1)[0];
    }

    /** Position of a row in what the model saw: the prefix, then the document. */
    public int position(long row) {
        return positions(row, 1)[0];
    }

    /** Number of a row's document in {@link #documents}. */
    public int document(long row) {
        return documents(row, 1)[0];
    }

    /** Token ids of rows [from, from + count). */
    public int[] tokens(long from, int count) {
        int[] out = new int[count];
        pieces(from, count, (shard, row, n, done) -> MemorySegment.copy(shard.token(), INT, row * 4, out, done, n));
        return out;
    }

    /** Positions of rows [from, from + count). */
    public int[] positions(long from, int count) {
        int[] out = new int[count];
        pieces(from, count, (shard, row, n, done) -> MemorySegment.copy(shard.position(), INT, row * 4, out, done, n));
        return out;
    }

    /** Document numbers of rows [from, from + count). */
    public int[] documents(long from, int count) {
        int[] out = new int[count];
        pieces(from, count, (shard, row, n, done) -> MemorySegment.copy(shard.document(), INT, row * 4, out, done, n));
        return out;
    }

    /** Reads the table of documents. */
    public DocumentTable documents() {
        return DocumentTable.open(folder.resolve(info.documents()));
    }

    /** Part of a range that lies in one shard: {@code count} rows from {@code row} of it, {@code done} rows into the range. */
    @FunctionalInterface
    private interface Piece {
        void take(Shard shard, long row, int count, int done);
    }

    private void pieces(long from, int count, Piece piece) {
        if (from < 0 || count < 0 || from > rows() - count) {
            throw new IndexOutOfBoundsException(folder + ": rows [" + from + ", " + (from + count) + ") of " + rows());
        }
        int s = java.util.Arrays.binarySearch(starts, from);
        s = s >= 0 ? s : -s - 2;
        for (int done = 0; done < count; s++) {
            int n = (int) Math.min(count - done, starts[s + 1] - (from + done));
            if (n > 0) {
                piece.take(shards.get(s), from + done - starts[s], n, done);
                done += n;
            }
        }
    }

    /**
     * Reads every shard and compares its checksum.
     *
     * @throws BadInput naming the first file whose bytes are not those that were written
     */
    public void verify() {
        for (StoreInfo.Shard shard : info.shards()) {
            Path file = folder.resolve(shard.name());
            String found = Sha256.of(file);
            if (!found.equals(shard.sha256())) {
                throw BadInput.in(
                        file,
                        "sha256 is " + found + ", but " + StoreInfo.FILE + " says " + shard.sha256()
                                + ": the file was changed or damaged");
            }
        }
    }

    @Override
    public void close() {
        shards.forEach(s -> s.file().close());
    }
}
