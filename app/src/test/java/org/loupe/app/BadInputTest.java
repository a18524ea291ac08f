package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.loupe.activations.DocumentTable;
import org.loupe.activations.StoreInfo;
import org.loupe.activations.StoreWriter;
import org.loupe.io.Dtype;
import org.loupe.io.Provenance;
import org.loupe.io.SafetensorsWriter;
import org.loupe.tensor.Matrix;

/** Each kind of bad input, through the command line: one clear line, exit code 2, and earlier results as they were. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class BadInputTest {
    private static final int ROWS = 512;
    private static final int WIDTH = 8;

    private Path folder = Path.of("");

    private Map<String, byte[]> earlier = new TreeMap<>();

    /** A command line and what its one line must say. */
    record Case(String name, List<Object> args, List<String> says) {
        @Override
        public String toString() {
            return name;
        }
    }

    @BeforeAll
    void makeInputs(@TempDir Path shared) throws IOException {
        folder = shared;
        float[] values = values(WIDTH);
        write("rows.safetensors", values, WIDTH);
        Cli trained = train("rows.safetensors");
        assertEquals(0, trained.code(), trained.err());
        write("wide.safetensors", values(WIDTH + 1), WIDTH + 1);
        store("wide-store", WIDTH + 1, "");
        store("store", WIDTH, "abc");
        store("damaged-store", WIDTH, "abc");
        Path shard = folder.resolve("damaged-store").resolve("shard-00000.safetensors");
        byte[] bytes = Files.readAllBytes(shard);
        bytes[bytes.length - 1] ^= 1;
        Files.write(shard, bytes);
        makeDamagedTensors(values);
        makeDamagedModelsAndTexts();
        Path nanSae = folder.resolve("nan-sae");
        Files.createDirectories(nanSae);
        for (String file : List.of("cfg.json", "loupe.json")) {
            Files.copy(folder.resolve("sae").resolve(file), nanSae.resolve(file));
        }
        float[] nan = new float[16 * WIDTH];
        nan[3] = Float.NaN;
        new SafetensorsWriter()
                .f32("W_enc", nan, WIDTH, 16)
                .f32("b_enc", new float[16], 16)
                .f32("W_dec", new float[16 * WIDTH], 16, WIDTH)
                .f32("b_dec", new float[WIDTH], WIDTH)
                .write(nanSae.resolve("sae_weights.safetensors"));
        earlier = contents(folder.resolve("sae"));
    }

    private void makeDamagedTensors(float[] values) throws IOException {
        byte[] whole = Files.readAllBytes(folder.resolve("rows.safetensors"));
        Files.write(folder.resolve("cut.safetensors"), Arrays.copyOf(whole, whole.length - 5));
        Files.write(folder.resolve("huge.safetensors"), header(Long.MAX_VALUE, "{}"));
        raw("beyond.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,4],\"data_offsets\":[0,32]}}", 8);
        raw("negative.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[-8,0]}}", 8);
        raw(
                "overlap.safetensors",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                        + "\"b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[4,12]}}",
                12);
        raw("dtype.safetensors", "{\"a\":{\"dtype\":\"F33\",\"shape\":[1,2],\"data_offsets\":[0,8]}}", 8);
        float[] nan = values.clone();
        nan[17 * WIDTH + 2] = Float.NaN;
        write("nan.safetensors", nan, WIDTH);
        new SafetensorsWriter()
                .i32("indices", new int[] {3, 16}, 1, 2)
                .f32("values", new float[] {1, 1}, 1, 2)
                .write(folder.resolve("latents.safetensors"));
    }

    private void makeDamagedModelsAndTexts() throws IOException {
        Files.writeString(folder.resolve("magic.gguf"), "GGGG and nothing of a model", StandardCharsets.UTF_8);
        byte[] counts = ByteBuffer.allocate(24)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put("GGUF".getBytes(StandardCharsets.US_ASCII))
                .putInt(3)
                .putLong(Long.MAX_VALUE)
                .putLong(Long.MAX_VALUE)
                .array();
        Files.write(folder.resolve("counts.gguf"), counts);
        Files.write(folder.resolve("cut.gguf"), Arrays.copyOf(counts, 10));
        Files.createDirectories(folder.resolve("no-model"));
        Files.createDirectories(folder.resolve("no-world"));
        Files.writeString(folder.resolve("no-world/train.safetensors"), "somebody's");
        Files.writeString(folder.resolve("empty.txt"), "");
        Files.write(folder.resolve("latin1.txt"), new byte[] {'c', 'a', 'f', (byte) 0xe9, '\n'});
        Files.writeString(folder.resolve("lines.jsonl"), "{\"txt\": \"not\"}\n");
        Files.writeString(folder.resolve("train.yaml"), "latents: 16\nlatnts: 3\n");
        Files.writeString(folder.resolve("sweep.yaml"), "latents: 16\nsweep: []\n");
    }

    private List<Case> cases() {
        return List.of(
                bad("truncated safetensors", rows("cut.safetensors"), "cut.safetensors", "byte"),
                bad("header longer than the file", rows("huge.safetensors"), "huge.safetensors"),
                bad("tensor beyond the file", rows("beyond.safetensors"), "beyond.safetensors", "'a'"),
                bad("negative offset", rows("negative.safetensors"), "negative.safetensors"),
                bad("overlapping tensors", rows("overlap.safetensors"), "overlap.safetensors"),
                bad("unknown dtype", rows("dtype.safetensors"), "dtype.safetensors", "F33"),
                bad("no such file", rows("absent.safetensors"), "absent.safetensors"),
                bad("NaN in the rows", rows("nan.safetensors"), "nan.safetensors", "row 17", "NaN"),
                bad("no such tensor", rows("rows.safetensors", "--key", "rwos"), "rwos"),
                bad("misspelt key in a file", rows("rows.safetensors", "--config", at("train.yaml")), "'latents'"),
                bad("misspelt key of --set", rows("rows.safetensors", "--set", "latnts=3"), "did you mean 'latents'"),
                bad("value out of range", rows("rows.safetensors", "--set", "k=0"), "k: 0", "expected"),
                bad("value of another kind", rows("rows.safetensors", "--set", "k=many"), "k"),
                bad(
                        "misspelt key of --sweep",
                        rows("rows.safetensors", "--sweep", "latnts=3,4"),
                        "did you mean 'latents'"),
                bad("nothing to sweep", rows("rows.safetensors", "--sweep", "k="), "--sweep k=", "key=value,value"),
                bad("empty list to sweep", rows("rows.safetensors", "--config", at("sweep.yaml")), "'sweep' is []"),
                bad("no seeds", rows("rows.safetensors", "--seeds", "0"), "--seeds: 0, expected"),
                bad(
                        "seeds in two ways",
                        rows("rows.safetensors", "--seeds", "2", "--sweep", "seed=1,2"),
                        "--seeds",
                        "choose one"),
                bad("another run in the folder", again("--set", "k=3"), "k = 2", "--fresh"),
                bad("file for a folder", into("wide.safetensors"), "wide.safetensors: is a file"),
                bad("other rows for a run", again("--data", at("wide.safetensors")), "--fresh"),
                bad("unknown hook point", harvest("--hook", "blocks.11.hook_resid_pots"), "blocks.11.hook_resid_post"),
                bad(
                        "unknown hook point to write",
                        harvest("--out-hook", "blocks.11.hook_mlp_uot"),
                        "blocks.11.hook_mlp_out"),
                bad(
                        "hook point named twice",
                        harvest("--hook", "hook_embed", "--out-hook", "hook_embed"),
                        "hook_embed is named twice"),
                bad(
                        "gradients of two hook points",
                        harvest("--gradients", "--out-hook", "blocks.11.hook_mlp_out"),
                        "gradients are those of one hook point",
                        "blocks.11.hook_resid_post+blocks.11.hook_mlp_out"),
                bad("unknown loss", harvest("--gradients=kll"), "--gradients", "KL", "CE", "kll"),
                bad(
                        "rows without gradients",
                        rows("rows.safetensors", "--set", "objective=gradient_weighted"),
                        "rows.safetensors",
                        "holds no gradients",
                        "harvest --gradients"),
                bad(
                        "store without gradients",
                        List.of("train", "--store", at("store"), "--out", at("new"), "--set", "gradient.select=1"),
                        at("store") + ": holds no gradients"),
                bad("unknown model", harvest("--model", "smolm2"), "smolm2", "smollm2"),
                bad("not a GGUF file", show("magic.gguf"), "magic.gguf"),
                bad("truncated GGUF file", show("cut.gguf"), "cut.gguf"),
                bad("GGUF with impossible counts", show("counts.gguf"), "counts.gguf"),
                bad("folder without a model", show("no-model"), "no-model"),
                bad("empty text", harvest("--text", at("empty.txt")), "empty.txt"),
                bad("text that is not UTF-8", harvest("--text", at("latin1.txt")), "latin1.txt", "byte 3"),
                bad("JSON-lines without the field", harvest("--text", at("lines.jsonl")), "lines.jsonl", "line 1"),
                bad("no such text", harvest("--text", at("absent.txt")), "absent.txt"),
                bad("number that is none", harvest("--tokens", "many"), "--tokens", "many"),
                bad("no tokens", harvest("--tokens", "0"), "tokens is 0"),
                bad("no SAE", List.of("eval", at("absent"), "--store", at("store")), "absent"),
                bad("no store", List.of("eval", at("sae"), "--store", at("absent")), "absent"),
                bad("store of another width", List.of("eval", at("sae"), "--store", at("wide-store")), "9", "8"),
                bad("rows to evaluate of another width", eval("wide.safetensors"), "wide.safetensors", "width 9", "8"),
                bad("NaN in the rows to evaluate", eval("nan.safetensors"), "nan.safetensors", "row 17", "NaN"),
                bad("no such tensor to evaluate", eval("rows.safetensors", "--key", "rwos"), "'rwos'", "'x'"),
                bad("nothing to evaluate on", List.of("eval", at("sae")), "--store", "--data"),
                bad("two things to evaluate on", eval("rows.safetensors", "--store", at("store")), "--store", "--data"),
                bad("key of a store", List.of("eval", at("sae"), "--store", at("store"), "--key", "x"), "--data"),
                bad("model without tokens", eval("rows.safetensors", "--model", "smollm2"), "--model", "--data"),
                bad(
                        "directions of another width",
                        eval("rows.safetensors", "--truth", at("wide.safetensors")),
                        "[512 × 9]"),
                bad("unknown world", List.of("synth", "--world", "flat", "--out", at("w")), "--world", "flat"),
                bad("no features", List.of("synth", "--features", "0", "--out", at("w")), "features is 0"),
                bad("families that do not fit", List.of("synth", "--children", "4", "--out", at("w")), "256", "5"),
                bad("too many active", List.of("synth", "--active", "129", "--out", at("w")), "129", "128"),
                bad("rows over other files", List.of("synth", "--out", at("no-world")), "not empty"),
                bad("no directions", eval("rows.safetensors", "--truth", at("absent")), "absent"),
                bad("rows of another width", encode("sae", "wide.safetensors"), "width 9", "width 8"),
                bad("NaN in the weights", encode("nan-sae", "rows.safetensors"), "W_enc", "NaN"),
                bad("latent beyond the SAE", decode(), "latent 16", "0 to 15"),
                bad("no threads", encode("sae", "rows.safetensors", "--threads", "0"), "--threads is 0"),
                bad("index over other files", index(), "not empty"),
                bad("no such port", List.of("explore", at("sae"), "--port", "70000"), "--port is 70000", "0 to 65535"),
                bad("no such port after the demo", List.of("demo", "--out", at("new"), "--port", "-1"), "--port is -1"),
                bad("nothing to explore", List.of("explore", at("sae"), "--port", "0"), "index"),
                bad("nothing to trace with", trace("absent"), "absent"),
                bad("share of nodes out of range", trace("sae", "--node-threshold", "2"), "node threshold is 2.0"),
                bad("no latents to trace", trace("sae", "--max-nodes", "0"), "latent nodes is 0"),
                bad("unknown rule for MLPs", trace("sae", "--mlp", "splt"), "--mlp", "splt"),
                bad("graph over other files", trace("sae", "--out", at("wide-store")), "not empty"),
                bad("unknown model to trace", trace("sae", "--model", "smolm2"), "smolm2", "smollm2"),
                bad("nothing known", List.of("info", at("no-model")), "no-model"),
                bad("damaged store", List.of("info", "--verify", at("damaged-store")), "shard-00000", "sha256"),
                bad("checksums of no store", List.of("info", "--verify", at("sae")), "store.json"),
                bad("mistyped option", List.of("info", at("sae"), "--jsno"), "--jsno"),
                bad("missing option", List.of("train", "--out", at("x")), "--store"),
                bad("mistyped command", List.of("evla"), "did you mean 'eval'"));
    }

    private static Case bad(String name, List<Object> args, String... says) {
        return new Case(name, args, List.of(says));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void isRefusedInOneLineAndLeavesEarlierResults(Case c) {
        Cli cli = Cli.run(c.args().toArray());
        assertEquals(2, cli.code(), cli.err());
        List<String> faults =
                cli.err().lines().filter(line -> line.startsWith("loupe: ")).toList();
        assertEquals(1, faults.size(), cli.err());
        for (String word : c.says()) {
            assertTrue(faults.getFirst().contains(word), faults.getFirst() + "\n does not say: " + word);
        }
        assertTrue(cli.err().endsWith(faults.getFirst() + System.lineSeparator()), cli.err());
        assertFalse(cli.err().contains("\tat ") || cli.err().contains("Exception"), cli.err());
        assertEquals("", cli.out());
        assertSame(earlier, contents(folder.resolve("sae")));
    }

    @Test
    void aStackTraceIsThereForTheAsking() {
        Cli cli = Cli.run("info", at("absent"), "--stacktrace");
        assertEquals(2, cli.code());
        assertTrue(cli.err().contains("\tat org.loupe.app.InfoCommand"), cli.err());
    }

    private String at(String name) {
        return folder.resolve(name).toString();
    }

    private Cli train(String data) {
        return Cli.run(again("--data", at(data)).toArray());
    }

    /** A training run in the folder that holds the finished SAE. */
    private List<Object> again(String... more) {
        List<Object> args = new ArrayList<>(List.of("train", "--out", at("sae")));
        args.addAll(List.of("--set", "latents=16", "--set", "k=2", "--set", "batch=64"));
        args.addAll(List.of((Object[]) more));
        if (!args.contains("--data")) {
            args.addAll(List.of("--data", at("rows.safetensors")));
        }
        return args;
    }

    private List<Object> rows(String data, String... more) {
        List<Object> args = new ArrayList<>(List.of("train", "--data", at(data), "--out", at("new")));
        args.addAll(List.of("--set", "latents=16", "--set", "batch=64"));
        if (!List.of(more).contains("k=0")) {
            args.addAll(List.of("--set", "k=2"));
        }
        args.addAll(List.of((Object[]) more));
        return args;
    }

    private List<Object> into(String out) {
        return List.of("train", "--data", at("rows.safetensors"), "--out", at(out), "--set", "latents=64");
    }

    private List<Object> harvest(String... more) {
        List<Object> args = new ArrayList<>(List.of("harvest", "--out", at("new-store")));
        if (!List.of(more).contains("--model")) {
            args.addAll(List.of("--model", at("magic.gguf")));
        }
        args.addAll(List.of((Object[]) more));
        return args;
    }

    private List<Object> show(String model) {
        return List.of("model", "show", at(model));
    }

    private List<Object> encode(String sae, String data, String... more) {
        List<Object> args = new ArrayList<>(List.of("encode", at(sae), "--data", at(data), "--out", at("out")));
        args.addAll(List.of((Object[]) more));
        return args;
    }

    private List<Object> eval(String data, String... more) {
        List<Object> args = new ArrayList<>(List.of("eval", at("sae"), "--data", at(data)));
        args.addAll(List.of((Object[]) more));
        return args;
    }

    private List<Object> decode() {
        return List.of("decode", at("sae"), "--data", at("latents.safetensors"), "--out", at("out"));
    }

    private List<Object> trace(String sae, String... more) {
        List<Object> args = new ArrayList<>(List.of("trace", "--prompt", "a", "--saes", at(sae)));
        args.addAll(List.of((Object[]) more));
        if (!args.contains("--out")) {
            args.addAll(List.of("--out", at("graph")));
        }
        return args;
    }

    private List<Object> index() {
        return List.of("index", at("sae"), "--store", at("store"), "--out", at("wide-store"));
    }

    private static float[] values(int width) {
        float[] values = new float[ROWS * width];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) Math.sin(i * 0.7) + (i % 5 == 0 ? 2 : 0);
        }
        return values;
    }

    private void write(String name, float[] values, int width) {
        new SafetensorsWriter().f32("x", values, values.length / width, width).write(folder.resolve(name));
    }

    private void store(String name, int width, String sha256) {
        Path store = folder.resolve(name);
        Matrix rows = new Matrix(ROWS, width, values(width));
        StoreInfo.Shard shard = StoreWriter.writeShard(
                store, 0, Dtype.F32, new StoreWriter.Rows(rows, new int[ROWS], new int[ROWS], new int[ROWS]));
        DocumentTable.write(
                store.resolve(DocumentTable.FILE),
                List.of(new DocumentTable.Document("text", "", new int[] {1})).iterator());
        Provenance made = Provenance.here("toy", sha256, "text", "", 0);
        StoreWriter.finish(
                store,
                new StoreInfo(
                        made,
                        width,
                        Dtype.F32,
                        ROWS,
                        List.of(),
                        0,
                        Map.of(),
                        Map.of(),
                        DocumentTable.FILE,
                        1,
                        List.of(shard)));
    }

    private static byte[] header(long length, String json) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + text.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(text)
                .array();
    }

    private void raw(String name, String json, int dataBytes) throws IOException {
        byte[] head = header(json.getBytes(StandardCharsets.UTF_8).length, json);
        Files.write(folder.resolve(name), Arrays.copyOf(head, head.length + dataBytes));
    }

    private static Map<String, byte[]> contents(Path of) {
        Map<String, byte[]> contents = new TreeMap<>();
        try (Stream<Path> files = Files.list(of)) {
            for (Path file : files.toList()) {
                contents.put(file.getFileName().toString(), Files.readAllBytes(file));
            }
            return contents;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void assertSame(Map<String, byte[]> before, Map<String, byte[]> after) {
        assertEquals(before.keySet(), after.keySet());
        before.forEach((name, bytes) -> assertTrue(Arrays.equals(bytes, after.get(name)), name));
    }
}
