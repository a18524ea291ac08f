package org.loupe.lm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Supplier;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.loupe.tensor.Matrix;

/** Between libtorch's tensors and Java's arrays, and how long a tensor lives. */
public final class Tensors {
    private Tensors() {}

    /** A copy of the rows of a tensor {@code [..., width]} as f32: one matrix row for each index before the last. */
    public static Matrix matrix(Tensor rows) {
        int width = Math.toIntExact(rows.size(rows.dim() - 1));
        int count = Math.toIntExact(rows.numel() / Math.max(1, width));
        Matrix out = Matrix.zeros(count, width);
        copy(rows, out.data());
        return out;
    }

    /** A copy of all elements in row-major order, as f32. */
    public static float[] floats(Tensor tensor) {
        float[] out = new float[Math.toIntExact(tensor.numel())];
        copy(tensor, out);
        return out;
    }

    /** A copy of all elements of an integer tensor in row-major order. */
    public static int[] ints(Tensor tensor) {
        int[] out = new int[Math.toIntExact(tensor.numel())];
        try (PointerScope _ = new PointerScope()) {
            Tensor plain = tensor.to(torch.ScalarType.Int).contiguous();
            MemorySegment.copy(bytes(plain), ValueLayout.JAVA_INT, 0, out, 0, out.length);
        }
        return out;
    }

    private static void copy(Tensor tensor, float[] out) {
        try (PointerScope _ = new PointerScope()) {
            Tensor plain = tensor.detach().to(torch.ScalarType.Float).contiguous();
            MemorySegment.copy(bytes(plain), ValueLayout.JAVA_FLOAT, 0, out, 0, Math.toIntExact(plain.numel()));
        }
    }

    /** A new f32 tensor {@code [rows, cols]} holding a copy of a matrix. */
    public static Tensor tensor(Matrix matrix) {
        return tensor(matrix.data(), matrix.rows(), matrix.cols());
    }

    /** A new f32 tensor of a shape holding a copy of the first elements of an array. */
    public static Tensor tensor(float[] values, long... shape) {
        return escaping(() -> {
            Tensor out = torch.empty(shape);
            MemorySegment.copy(values, 0, bytes(out), ValueLayout.JAVA_FLOAT, 0, Math.toIntExact(out.numel()));
            return out;
        });
    }

    /** A new int64 tensor of a shape. */
    public static Tensor tensor(int[] values, long... shape) {
        return escaping(() -> {
            Tensor out = torch.empty(shape, new TensorOptions(torch.ScalarType.Int), new MemoryFormatOptional());
            MemorySegment.copy(values, 0, bytes(out), ValueLayout.JAVA_INT, 0, values.length);
            return out.to(torch.ScalarType.Long);
        });
    }

    /** The sizes of a tensor. */
    public static long[] shape(Tensor tensor) {
        long[] shape = new long[Math.toIntExact(tensor.dim())];
        for (int d = 0; d < shape.length; d++) {
            shape[d] = tensor.size(d);
        }
        return shape;
    }

    /** The memory of a contiguous CPU tensor; valid while the tensor lives. */
    @SuppressWarnings("restricted") // the segment is bounded by the tensor's own byte count
    public static MemorySegment bytes(Tensor tensor) {
        if (!tensor.is_contiguous()) {
            throw new IllegalArgumentException("the tensor is not contiguous");
        }
        if (tensor.numel() == 0) {
            return MemorySegment.NULL;
        }
        return MemorySegment.ofAddress(tensor.data_ptr().address()).reinterpret(tensor.nbytes());
    }

    /**
     * Runs a body in a scope of its own, which frees every tensor made in it but the result. The result belongs to the
     * caller's scope where there is one; otherwise to the caller, who closes it.
     */
    public static Tensor escaping(Supplier<Tensor> body) {
        Tensor result;
        try (PointerScope _ = new PointerScope()) {
            result = body.get();
            result.retainReference();
        }
        PointerScope outer = PointerScope.getInnerScope();
        if (outer != null) {
            outer.attach(result);
            result.releaseReference();
        }
        return result;
    }

    /** Keeps a tensor alive past the scope it was made in, until the caller closes it. */
    public static Tensor keep(Tensor tensor) {
        tensor.retainReference();
        return tensor;
    }
}
