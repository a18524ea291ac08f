package org.loupe.activations;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.io.AtomicFiles;
import org.loupe.io.Dtype;
import org.loupe.io.Json;
import org.loupe.io.SafetensorsWriter;
import org.loupe.io.Sha256;
import org.loupe.tensor.Matrix;

/** Writes the files of an {@link ActivationStore}: shards in any order, then {@code store.json} last, which makes it a store. */
public final class StoreWriter {
    private StoreWriter() {}

    /**
     * The rows of one shard.
     *
     * @param activations [rows × width]
     * @param token token id of each row; at least as many as there are rows
     * @param position position of each row
     * @param document document number of each row
     * @param targets [rows × target width], what a transcoder is to write; null where there are none
     * @param gradients [rows × width], of the model's loss by the activations; null where there are none
     */
    public record Rows(
            Matrix activations,
            int[] token,
            int[] position,
            int[] document,
            @Nullable Matrix targets,
            @Nullable Matrix gradients) {
        public Rows {
            requireRows(activations, targets, "targets");
            requireRows(activations, gradients, "gradients");
            if (gradients != null) {
                gradients.requireCols(activations.cols(), "shard: gradients");
            }
        }

        private static void requireRows(Matrix activations, @Nullable Matrix others, String what) {
            if (others != null && others.rows() != activations.rows()) {
                throw new IllegalArgumentException(
                        "shard: " + others.rows() + " " + what + " for " + activations.rows() + " rows");
            }
        }

        /** Rows without targets and gradients. */
        public Rows(Matrix activations, int[] token, int[] position, int[] document) {
            this(activations, token, position, document, null, null);
        }
    }

    /** File name of shard {@code number}. */
    public static String shardName(int number) {
        return String.format(java.util.Locale.ROOT, "shard-%05d.safetensors", number);
    }

    /**
     * Writes a shard, whole or not at all.
     *
     * @param dtype BF16 (rounded to nearest, ties to even) or F32
     * @return its entry for {@code store.json}
     */
    public static StoreInfo.Shard writeShard(Path folder, int number, Dtype dtype, Rows rows) {
        Matrix x = rows.activations();
        SafetensorsWriter writer = new SafetensorsWriter();
        put(writer, "activations", dtype, x);
        writer.i32("token", rows.token(), x.rows());
        writer.i32("position", rows.position(), x.rows());
        writer.i32("document", rows.document(), x.rows());
        if (rows.targets() != null) {
            put(writer, "targets", dtype, rows.targets());
        }
        if (rows.gradients() != null) {
            put(writer, "gradients", dtype, rows.gradients());
        }
        MessageDigest digest = Sha256.digest();
        String name = shardName(number);
        AtomicFiles.write(folder.resolve(name), out -> {
            DigestOutputStream through = new DigestOutputStream(out, digest);
            writer.writeTo(through);
            through.flush();
        });
        return new StoreInfo.Shard(name, x.rows(), HexFormat.of().formatHex(digest.digest()));
    }

    private static void put(SafetensorsWriter writer, String name, Dtype dtype, Matrix rows) {
        if (dtype == Dtype.BF16) {
            writer.bf16(name, rows.data(), rows.rows(), rows.cols());
        } else {
            writer.f32(name, rows);
        }
    }

    /** The shards up to the first one that is missing or whose bytes are not those that were written. */
    public static List<StoreInfo.Shard> wholeShards(Path folder, List<StoreInfo.Shard> written) {
        return written.stream()
                .takeWhile(s -> {
                    Path file = folder.resolve(s.name());
                    return Files.isRegularFile(file) && Sha256.of(file).equals(s.sha256());
                })
                .toList();
    }

    /** Writes {@code store.json}. */
    public static void finish(Path folder, StoreInfo info) {
        Json.write(folder.resolve(StoreInfo.FILE), info);
    }
}
