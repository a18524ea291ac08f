package org.loupe.onednn;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * The dozen functions of oneDNN's C interface (version 3) that a product needs, called through the foreign-function interface:
 * the jar's own Java classes cannot be loaded without an OpenCL artefact that is not published.
 *
 * <p>oneDNN's threads are OpenMP's, whose number is a setting of each calling thread. Every worker of ours sets it to 1 before its
 * first call, so the only threads are ours and no team waits at a barrier.
 */
@SuppressWarnings("restricted") // native access is what this class is for
final class OneDnn {
    static final int BF16 = 2;
    static final int F32 = 3;
    static final int S8 = 5;
    static final int U8 = 6;

    /** Layout tags: any lets oneDNN choose, row-major, and its transpose. */
    static final int ANY = 1;

    static final int A = 2;
    static final int AB = 3;
    static final int BA = 14;

    static final int SOURCE = 1;
    static final int WEIGHTS = 33;
    static final int DESTINATION = 17;
    static final int BIAS = 41;
    static final int SCRATCHPAD = 80;

    /** Factors of the weights' columns, where a product was made with them. */
    static final int WEIGHT_FACTORS = 4096 | WEIGHTS;

    /** The instruction set that has bf16 dot products; wider ones contain its bits. */
    private static final int ISA_BF16 = 0xe7;

    /** The two instruction sets that sum products of bytes in 32 bits: AVX-512 VNNI and AVX-VNNI. */
    private static final int ISA_VNNI = 0x67;

    private static final int ISA_AVX_VNNI = 0x0f;

    private static final int QUERY_WEIGHTS = 131;
    private static final int QUERY_SCRATCHPAD = 136;
    private static final int SCRATCHPAD_OF_THE_CALLER = 1;
    private static final int SECOND_DIMENSION = 1 << 1;
    private static final int CPU = 1;
    private static final int IN_ORDER = 1;
    private static final String RESOURCES = "/org/bytedeco/dnnl/linux-x86_64/";
    private static final String[] FILES = {"libgomp.so.1", "libdnnl.so.3"};

    private static final Linker LINKER = Linker.nativeLinker();

    private final SymbolLookup symbols;
    private final MethodHandle setThreads;
    private final MethodHandle createStream;
    private final MethodHandle createDescription;
    private final MethodHandle createMemory;
    private final MethodHandle createMatmul;
    private final MethodHandle createReorder;
    private final MethodHandle createPrimitive;
    private final MethodHandle execute;
    private final MethodHandle await;
    private final MethodHandle query;
    private final MethodHandle size;
    private final MethodHandle effectiveIsa;
    private final MemorySegment engine;

    /** Primitives get their scratchpad with each call: the library's own is one for all threads that run a primitive. */
    private final MemorySegment attributes;

    /** The same, and the sums are multiplied by a factor for each column of the weights. */
    private final MemorySegment factored;

    private OneDnn(SymbolLookup openMp, SymbolLookup symbols) {
        this.symbols = symbols;
        this.setThreads = LINKER.downcallHandle(
                openMp.find("omp_set_num_threads").orElseThrow(), FunctionDescriptor.ofVoid(JAVA_INT));
        this.createStream = status("dnnl_stream_create", ADDRESS, ADDRESS, JAVA_INT);
        this.createDescription =
                status("dnnl_memory_desc_create_with_tag", ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT);
        this.createMemory = status("dnnl_memory_create", ADDRESS, ADDRESS, ADDRESS, ADDRESS);
        this.createMatmul = status(
                "dnnl_matmul_primitive_desc_create", ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
        this.createReorder =
                status("dnnl_reorder_primitive_desc_create", ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS);
        this.createPrimitive = status("dnnl_primitive_create", ADDRESS, ADDRESS);
        this.execute = status("dnnl_primitive_execute", ADDRESS, ADDRESS, JAVA_INT, ADDRESS);
        this.await = status("dnnl_stream_wait", ADDRESS);
        this.query = LINKER.downcallHandle(
                symbols.find("dnnl_primitive_desc_query_md").orElseThrow(),
                FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_INT, JAVA_INT));
        this.size = LINKER.downcallHandle(
                symbols.find("dnnl_memory_desc_get_size").orElseThrow(), FunctionDescriptor.of(JAVA_LONG, ADDRESS));
        this.effectiveIsa = LINKER.downcallHandle(
                symbols.find("dnnl_get_effective_cpu_isa").orElseThrow(), FunctionDescriptor.of(JAVA_INT));
        this.engine = created(status("dnnl_engine_create", ADDRESS, JAVA_INT, JAVA_LONG), CPU, 0L);
        this.attributes = attributes();
        this.factored = attributes();
        check((int) call(
                status("dnnl_primitive_attr_set_scales_mask", ADDRESS, JAVA_INT, JAVA_INT),
                factored,
                WEIGHTS,
                SECOND_DIMENSION));
    }

    private MemorySegment attributes() {
        MemorySegment made = created(status("dnnl_primitive_attr_create", ADDRESS));
        check((int) call(
                status("dnnl_primitive_attr_set_scratchpad_mode", ADDRESS, JAVA_INT), made, SCRATCHPAD_OF_THE_CALLER));
        return made;
    }

    private static final class Holder {
        static final OneDnn INSTANCE = load();
    }

    /** The library, loaded on first use. */
    static OneDnn instance() {
        return Holder.INSTANCE;
    }

    /** Whether this processor has bf16 dot products. */
    boolean hasBf16() {
        return ((int) call(effectiveIsa) & ISA_BF16) == ISA_BF16;
    }

    /** Whether this processor sums products of bytes exactly; elsewhere oneDNN's 16-bit sums can saturate. */
    boolean hasInt8() {
        int isa = (int) call(effectiveIsa);
        return (isa & ISA_VNNI) == ISA_VNNI || (isa & ISA_AVX_VNNI) == ISA_AVX_VNNI;
    }

    /** Makes oneDNN run in the calling thread alone. */
    void oneThread() {
        try {
            setThreads.invokeExact(1);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    MemorySegment stream() {
        return created(createStream, engine, IN_ORDER);
    }

    /** A vector's description. */
    MemorySegment description(long size, int type) {
        try (Arena arena = Arena.ofConfined()) {
            return created(createDescription, 1, arena.allocateFrom(JAVA_LONG, size), type, A);
        }
    }

    /** A matrix's description. */
    MemorySegment description(long rows, long cols, int type, int tag) {
        try (Arena arena = Arena.ofConfined()) {
            return created(createDescription, 2, arena.allocateFrom(JAVA_LONG, rows, cols), type, tag);
        }
    }

    /** Bytes that a matrix of this description takes. */
    long bytes(MemorySegment description) {
        return (long) call(size, description);
    }

    /** A matrix over memory of ours. */
    MemorySegment memory(MemorySegment description, MemorySegment data) {
        return created(createMemory, description, engine, data);
    }

    /** destination = (source · weights) · diagonal of {@link #WEIGHT_FACTORS} + bias, before it is compiled. */
    MemorySegment matmul(MemorySegment source, MemorySegment weights, MemorySegment bias, MemorySegment destination) {
        return created(createMatmul, engine, source, weights, bias, destination, factored);
    }

    /** The layout that a product chose for its weights; owned by the product. */
    MemorySegment weightsOf(MemorySegment matmul) {
        return (MemorySegment) call(query, matmul, QUERY_WEIGHTS, 0);
    }

    /** The scratchpad that a primitive wants with each call; owned by its description. */
    MemorySegment scratchpadOf(MemorySegment primitiveDescription) {
        return (MemorySegment) call(query, primitiveDescription, QUERY_SCRATCHPAD, 0);
    }

    /** A change of type and layout, before it is compiled. */
    MemorySegment reorder(MemorySegment from, MemorySegment to) {
        return created(createReorder, from, engine, to, engine, attributes);
    }

    MemorySegment compile(MemorySegment primitiveDescription) {
        return created(createPrimitive, primitiveDescription);
    }

    /**
     * Runs a primitive and waits for it.
     *
     * @param arguments that many pairs of (int, pointer), 16 bytes each
     */
    void run(MemorySegment primitive, MemorySegment stream, int count, MemorySegment arguments) {
        try {
            check((int) execute.invokeExact(primitive, stream, count, arguments));
            check((int) await.invokeExact(stream));
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    /** Sets one argument of {@link #run}. */
    static void argument(MemorySegment arguments, int place, int which, MemorySegment memory) {
        arguments.set(JAVA_INT, place * 16L, which);
        arguments.set(ADDRESS, place * 16L + 8, memory);
    }

    /** Frees an object by oneDNN's function for its kind: memory, memory_desc, primitive, primitive_desc or stream. */
    void destroy(String kind, MemorySegment object) {
        check((int) call(status("dnnl_" + kind + "_destroy", ADDRESS), object));
    }

    private MethodHandle status(String name, MemoryLayout... arguments) {
        return LINKER.downcallHandle(symbols.find(name).orElseThrow(), FunctionDescriptor.of(JAVA_INT, arguments));
    }

    private static MemorySegment created(MethodHandle function, Object... arguments) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ADDRESS);
            Object[] all = new Object[arguments.length + 1];
            all[0] = out;
            System.arraycopy(arguments, 0, all, 1, arguments.length);
            check((int) call(function, all));
            return out.get(ADDRESS, 0);
        }
    }

    private static void check(int status) {
        if (status != 0) {
            throw new IllegalStateException("oneDNN: call failed with status " + status);
        }
    }

    private static Object call(MethodHandle function, Object... arguments) {
        try {
            return function.invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    private static RuntimeException rethrown(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return e instanceof RuntimeException runtime ? runtime : new IllegalStateException(e);
    }

    /** Unpacks the two libraries side by side, once for each version, and opens them. */
    private static OneDnn load() {
        Path folder = Path.of(System.getProperty("java.io.tmpdir"))
                .resolve("loupe-onednn-" + System.getProperty("user.name") + "-3.13");
        try {
            Files.createDirectories(folder);
            for (String file : FILES) {
                Path target = folder.resolve(file);
                if (!Files.exists(target)) {
                    unpack(file, target);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot unpack oneDNN into " + folder + ": " + e.getMessage(), e);
        }
        SymbolLookup openMp = SymbolLookup.libraryLookup(folder.resolve(FILES[0]), Arena.global());
        return new OneDnn(openMp, SymbolLookup.libraryLookup(folder.resolve(FILES[1]), Arena.global()));
    }

    private static void unpack(String file, Path target) throws IOException {
        try (InputStream in = OneDnn.class.getResourceAsStream(RESOURCES + file)) {
            if (in == null) {
                throw new IOException("no " + RESOURCES + file + " on the class path");
            }
            Path aside = Files.createTempFile(target.getParent(), file, ".part");
            Files.copy(in, aside, StandardCopyOption.REPLACE_EXISTING);
            Files.move(aside, target, StandardCopyOption.ATOMIC_MOVE);
        }
    }
}
