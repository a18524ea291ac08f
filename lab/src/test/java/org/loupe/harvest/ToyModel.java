package org.loupe.harvest;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.loupe.io.Dtype;
import org.loupe.lm.HookPoint;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;
import org.loupe.text.Corpus;
import org.loupe.text.Document;

/**
 * A model of bytes: token b is byte b + 2, the prefix is token 1. The row of a token is a function of the prefix and the tokens
 * of its document up to it, as in a real model; the prefix has a norm of 1,000, and so has the token '!'.
 */
final class ToyModel {
    static final int WIDTH = 6;
    static final HookPoint HOOK = HookPoint.parse("blocks.1.hook_resid_post");

    private ToyModel() {}

    static Subject subject(Function<TokenBatch, Matrix> forward) {
        return subject(List.of(WIDTH), batch -> List.of(forward.apply(batch)));
    }

    static Subject subject(List<Integer> widths, Function<TokenBatch, List<Matrix>> forward) {
        return new Subject(
                "toy",
                "abcd",
                "F32",
                widths,
                new int[] {1},
                ToyModel::encode,
                ToyModel::decode,
                (batch, _) -> new Forward.Rows(forward.apply(batch), null));
    }

    static Subject subject() {
        return subject(ToyModel::rows);
    }

    static int[] encode(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        int[] ids = new int[bytes.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (bytes[i] & 0xFF) + 2;
        }
        return ids;
    }

    static String decode(int... ids) {
        byte[] bytes = new byte[ids.length];
        for (int i = 0; i < ids.length; i++) {
            bytes[i] = (byte) (ids[i] - 2);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static Matrix rows(TokenBatch batch) {
        Matrix out = Matrix.zeros(batch.size(), WIDTH);
        int[] positions = batch.positions();
        long state = 0;
        for (int i = 0; i < batch.size(); i++) {
            boolean start = positions[i] <= 1;
            state = 31 * (start ? 17 : state) + batch.ids()[i];
            SplittableRandom random = new SplittableRandom(state);
            double scale = positions[i] == 0 || batch.ids()[i] == '!' + 2 ? 1000 : 1;
            for (int c = 0; c < WIDTH; c++) {
                out.data()[out.offset(i) + c] = (float) (scale * (0.5 + random.nextDouble()));
            }
        }
        return out;
    }

    /** Documents of 1 to 40 letters, one in ten with a '!'. */
    static Corpus corpus(int documents) {
        SplittableRandom random = new SplittableRandom(11);
        List<Document> list = new ArrayList<>();
        for (int d = 0; d < documents; d++) {
            StringBuilder text = new StringBuilder();
            int letters = 1 + random.nextInt(40);
            for (int i = 0; i < letters; i++) {
                text.append(random.nextInt(400) == 0 ? '!' : (char) ('a' + random.nextInt(26)));
            }
            list.add(new Document(text.toString(), "label." + d % 3));
        }
        return new Corpus.InMemory("made up", list);
    }

    static HarvestConfig config() {
        return new HarvestConfig(HOOK, 6_000, 32, 4, Dtype.BF16, 500, false, 3);
    }

    /** Harvests with a pause before every batch: {@code ToyModel FOLDER MILLIS}. */
    public static void main(String[] args) {
        long pause = Long.parseLong(args[1]);
        Subject slow = subject(batch -> {
            try {
                Thread.sleep(pause);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return rows(batch);
        });
        Harvest.run(slow, corpus(400), config(), Path.of(args[0]), event -> {});
    }
}
