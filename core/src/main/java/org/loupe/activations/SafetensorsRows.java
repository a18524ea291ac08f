package org.loupe.activations;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.io.Safetensors;
import org.loupe.tensor.Matrix;

/** The rows of a 2-D F32, BF16 or F16 tensor of a safetensors file, memory-mapped. A NaN or infinity is refused when read. */
public final class SafetensorsRows implements RowSource {
    private final Safetensors file;
    private final Safetensors.Entry entry;
    private final int width;
    private final String name;

    private SafetensorsRows(Safetensors file, Safetensors.Entry entry, int width) {
        this.file = file;
        this.entry = entry;
        this.width = width;
        this.name = file.file() + ": tensor '" + entry.name() + "'";
    }

    /**
     * Opens a file.
     *
     * @param key name of the tensor; null for the only 2-D tensor of floats in the file
     * @throws BadInput where there is no such tensor, or several and no key
     */
    public static SafetensorsRows open(Path path, @Nullable String key) {
        Safetensors file = Safetensors.open(path);
        try {
            Safetensors.Entry entry = key == null ? only(file) : file.entry(key);
            if (!isRows(entry)) {
                throw BadInput.in(
                        path,
                        "tensor '" + entry.name() + "' is " + entry.dtype() + " " + entry.shape()
                                + ", expected two dimensions [rows, width] of F32, BF16 or F16");
            }
            return new SafetensorsRows(
                    file, entry, Math.toIntExact(entry.shape().get(1)));
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private static Safetensors.Entry only(Safetensors file) {
        List<Safetensors.Entry> candidates =
                file.entries().values().stream().filter(SafetensorsRows::isRows).toList();
        if (candidates.size() != 1) {
            throw BadInput.in(
                    file.file(),
                    "has " + candidates.size() + " two-dimensional tensors of floats, name one of: "
                            + String.join(", ", file.entries().keySet()));
        }
        return candidates.getFirst();
    }

    private static boolean isRows(Safetensors.Entry entry) {
        boolean floats = entry.dtype() == Dtype.F32 || entry.dtype() == Dtype.BF16 || entry.dtype() == Dtype.F16;
        return floats
                && entry.shape().size() == 2
                && entry.shape().get(1) >= 1
                && entry.shape().get(1) <= Integer.MAX_VALUE;
    }

    @Override
    public long rows() {
        return entry.shape().getFirst();
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public Dtype dtype() {
        return entry.dtype();
    }

    @Override
    public String name() {
        return name;
    }

    /** All that is known is the name of the file. */
    @Override
    public Provenance provenance() {
        return Provenance.here(String.valueOf(file.file().getFileName()), "", "", "", 0);
    }

    @Override
    public void read(long from, int count, Matrix out, int at) {
        out.requireCols(width, name);
        entry.floats(from * width, out.data(), out.offset(at), count * width);
        Finite.require(out, at, count, name, from);
    }

    @Override
    public void readRaw(long from, int count, MemorySegment out, long at) {
        long rowBytes = (long) width * dtype().bytes();
        MemorySegment.copy(entry.data(), from * rowBytes, out, at, count * rowBytes);
    }

    @Override
    public void close() {
        file.close();
    }
}
