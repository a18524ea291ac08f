package org.loupe.onednn;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.loupe.sae.LowPrecisionProduct;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/**
 * The product by oneDNN. Weights are packed once a step, slice by slice, into the layout that oneDNN wants; a worker multiplies 128
 * rows with 1,024 latents at a time, so that the 512 kB of results are scanned while they are in cache. Measured at d = 768,
 * m = 24,576, 4,096 rows on two Zen 5 cores, CPU of each: 170 ms in bf16 and 88 in int8 against 400 for the f32 tiles.
 */
final class OneDnnProduct implements LowPrecisionProduct {
    private static final int ROWS = 128;
    static final int SLICE = 1024;

    private final OneDnn dnn;
    private final Arena arena = Arena.ofShared();
    private final Rounding rounding;
    private final int latents;
    private final Shape whole;
    private final Shape rest;
    private final MemorySegment[] packedSlices;
    private final Columns[] columns;
    private final @Nullable Worker[] workers;

    /** The compiled primitives for slices of one width, shared by the workers. */
    private record Shape(
            int width,
            MemorySegment source,
            MemorySegment destination,
            MemorySegment factors,
            MemorySegment offsets,
            MemorySegment plain,
            MemorySegment packed,
            MemorySegment productDescription,
            MemorySegment product,
            MemorySegment reorderDescription,
            MemorySegment reorder) {
        void destroy(OneDnn dnn) {
            dnn.destroy("primitive", product);
            dnn.destroy("primitive_desc", productDescription);
            dnn.destroy("primitive", reorder);
            dnn.destroy("primitive_desc", reorderDescription);
            dnn.destroy("memory_desc", source);
            dnn.destroy("memory_desc", destination);
            dnn.destroy("memory_desc", factors);
            dnn.destroy("memory_desc", offsets);
            dnn.destroy("memory_desc", plain);
        }
    }

    /** What is done with each latent's sums, and oneDNN's views of it. */
    private record Columns(Rounding.Columns values, MemorySegment factors, MemorySegment offsets) {}

    /** One worker's buffers, and oneDNN's views of them for slices of both widths. */
    private record Worker(
            MemorySegment stream,
            MemorySegment input,
            MemorySegment output,
            MemorySegment plain,
            Views whole,
            Views rest,
            MemorySegment arguments) {
        Views views(Shape shape) {
            return shape.width == SLICE ? whole : rest;
        }
    }

    /** Views of a worker's buffers for slices of one width. */
    private record Views(
            MemorySegment source,
            MemorySegment destination,
            MemorySegment plain,
            MemorySegment productPad,
            MemorySegment reorderPad) {
        void destroy(OneDnn dnn) {
            for (MemorySegment memory : new MemorySegment[] {source, destination, plain, productPad, reorderPad}) {
                dnn.destroy("memory", memory);
            }
        }
    }

    OneDnnProduct(OneDnn dnn, Rounding rounding, int latents, int workers) {
        this.dnn = dnn;
        this.rounding = rounding;
        this.latents = latents;
        dnn.oneThread();
        int remainder = latents % SLICE;
        this.whole = shape(SLICE);
        this.rest = remainder == 0 ? whole : shape(remainder);
        this.packedSlices = new MemorySegment[slices(latents)];
        this.columns = new Columns[packedSlices.length];
        for (int s = 0; s < packedSlices.length; s++) {
            Shape shape = shapeOf(s);
            packedSlices[s] = dnn.memory(shape.packed, arena.allocate(dnn.bytes(shape.packed), 64));
            columns[s] = columns(shape);
        }
        this.workers = new Worker[workers];
    }

    private Columns columns(Shape shape) {
        MemorySegment factors = arena.allocate(dnn.bytes(shape.factors), 64);
        MemorySegment offsets = arena.allocate(dnn.bytes(shape.offsets), 64);
        for (int j = 0; j < shape.width; j++) {
            factors.setAtIndex(ValueLayout.JAVA_FLOAT, j, 1);
        }
        return new Columns(
                new Rounding.Columns(factors, offsets),
                dnn.memory(shape.factors, factors),
                dnn.memory(shape.offsets, offsets));
    }

    /** Slices that this many latents take. */
    static int slices(int latents) {
        return (latents + SLICE - 1) / SLICE;
    }

    private Shape shape(int width) {
        int depth = rounding.depth();
        MemorySegment source = dnn.description(ROWS, depth, rounding.rowType(), OneDnn.AB);
        MemorySegment destination = dnn.description(ROWS, width, OneDnn.F32, OneDnn.AB);
        MemorySegment offsets = dnn.description(1, width, OneDnn.F32, OneDnn.AB);
        MemorySegment anyWeights = dnn.description(depth, width, rounding.weightType(), OneDnn.ANY);
        MemorySegment product = dnn.matmul(source, anyWeights, offsets, destination);
        dnn.destroy("memory_desc", anyWeights);
        MemorySegment packed = dnn.weightsOf(product);
        // W is latent-major [width × depth]; the product wants [depth × width], which is the same bytes read as
        // columns.
        MemorySegment plain = dnn.description(depth, width, rounding.plainType(), OneDnn.BA);
        MemorySegment reorder = dnn.reorder(plain, packed);
        return new Shape(
                width,
                source,
                destination,
                dnn.description(width, OneDnn.F32),
                offsets,
                plain,
                packed,
                product,
                dnn.compile(product),
                reorder,
                dnn.compile(reorder));
    }

    private Shape shapeOf(int slice) {
        return latents - slice * SLICE >= SLICE ? whole : rest;
    }

    @Override
    public int rows() {
        return ROWS;
    }

    @Override
    public int sliceLatents() {
        return SLICE;
    }

    @Override
    public String describe() {
        return rounding.numbers().name().toLowerCase(Locale.ROOT) + " product by oneDNN, certified";
    }

    @Override
    public void weights(Matrix w, float norm, Matrix x, Workers pool) {
        rounding.begin(w, norm, x);
        pool.forEach(packedSlices.length, 1, (from, to, number) -> {
            Worker mine = worker(number);
            dnn.oneThread();
            for (int s = from; s < to; s++) {
                Shape shape = shapeOf(s);
                Views views = mine.views(shape);
                int first = s * SLICE;
                rounding.slice(s, w, first, first + shape.width, mine.plain, columns[s].values, number);
                OneDnn.argument(mine.arguments, 0, OneDnn.SOURCE, views.plain);
                OneDnn.argument(mine.arguments, 1, OneDnn.DESTINATION, packedSlices[s]);
                OneDnn.argument(mine.arguments, 2, OneDnn.SCRATCHPAD, views.reorderPad);
                dnn.run(shape.reorder, mine.stream, 3, mine.arguments);
            }
        });
        rounding.end();
    }

    @Override
    public void rows(int worker, Matrix x, int from, int to, float[] factor, float[] error) {
        rounding.rows(worker, x, from, to, worker(worker).input, factor, error);
    }

    @Override
    public MemorySegment multiply(int worker, int slice) {
        Worker mine = worker(worker);
        Shape shape = shapeOf(slice);
        Views views = mine.views(shape);
        OneDnn.argument(mine.arguments, 0, OneDnn.SOURCE, views.source);
        OneDnn.argument(mine.arguments, 1, OneDnn.WEIGHTS, packedSlices[slice]);
        OneDnn.argument(mine.arguments, 2, OneDnn.DESTINATION, views.destination);
        OneDnn.argument(mine.arguments, 3, OneDnn.SCRATCHPAD, views.productPad);
        OneDnn.argument(mine.arguments, 4, OneDnn.WEIGHT_FACTORS, columns[slice].factors);
        OneDnn.argument(mine.arguments, 5, OneDnn.BIAS, columns[slice].offsets);
        dnn.oneThread();
        dnn.run(shape.product, mine.stream, 6, mine.arguments);
        return mine.output;
    }

    private Worker worker(int number) {
        Worker worker = workers[number];
        if (worker == null) {
            MemorySegment input = arena.allocate(dnn.bytes(whole.source), 64);
            MemorySegment output = arena.allocate(dnn.bytes(whole.destination), 64);
            MemorySegment plain = arena.allocate(dnn.bytes(whole.plain), 64);
            worker = new Worker(
                    dnn.stream(),
                    input,
                    output,
                    plain,
                    views(whole, input, output, plain),
                    views(rest, input, output, plain),
                    arena.allocate(6 * 16L));
            workers[number] = worker;
        }
        return worker;
    }

    private Views views(Shape shape, MemorySegment input, MemorySegment output, MemorySegment plain) {
        return new Views(
                dnn.memory(shape.source, input),
                dnn.memory(shape.destination, output),
                dnn.memory(shape.plain, plain),
                pad(shape.productDescription),
                pad(shape.reorderDescription));
    }

    private MemorySegment pad(MemorySegment primitiveDescription) {
        MemorySegment description = dnn.scratchpadOf(primitiveDescription);
        return dnn.memory(description, arena.allocate(Math.max(64, dnn.bytes(description)), 64));
    }

    @Override
    public void close() {
        for (MemorySegment slice : packedSlices) {
            dnn.destroy("memory", slice);
        }
        for (Columns slice : columns) {
            dnn.destroy("memory", slice.factors);
            dnn.destroy("memory", slice.offsets);
        }
        for (Worker worker : workers) {
            if (worker != null) {
                worker.whole.destroy(dnn);
                worker.rest.destroy(dnn);
                dnn.destroy("stream", worker.stream);
            }
        }
        whole.destroy(dnn);
        if (rest.width != SLICE) {
            rest.destroy(dnn);
        }
        arena.close();
    }
}
