package org.loupe.activations;

import java.lang.foreign.MemorySegment;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.tensor.Matrix;

/** The gradients of a store: row r is the model's gradient by the store's row r. */
record StoreGradients(ActivationStore store) implements RowSource {
    @Override
    public long rows() {
        return store.rows();
    }

    @Override
    public int width() {
        return store.info().width();
    }

    @Override
    public void read(long from, int count, Matrix out, int at) {
        out.requireCols(width(), name());
        store.readGradients(from, count, out, at);
    }

    @Override
    public Dtype dtype() {
        return store.dtype();
    }

    @Override
    public void readRaw(long from, int count, MemorySegment out, long at) {
        store.readRawGradients(from, count, out, at);
    }

    @Override
    public String name() {
        return "gradients of " + store.name();
    }

    @Override
    public Provenance provenance() {
        return store.provenance();
    }

    @Override
    public void close() {
        store.close();
    }
}
