package org.loupe.activations;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.tensor.Matrix;

/** The activations of a store of pairs; its targets are not read. */
record StoreInputs(ActivationStore store) implements RowSource {
    @Override
    public long rows() {
        return store.rows();
    }

    @Override
    public int width() {
        return store.info().width();
    }

    @Override
    public List<Integer> parts() {
        return store.parts();
    }

    @Override
    public void read(long from, int count, Matrix out, int at) {
        out.requireCols(width(), name());
        store.readInputs(from, count, out, at);
    }

    @Override
    public Dtype dtype() {
        return store.dtype();
    }

    @Override
    public void readRaw(long from, int count, MemorySegment out, long at) {
        store.readRawInputs(from, count, out, at);
    }

    @Override
    public String name() {
        return store.name();
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
