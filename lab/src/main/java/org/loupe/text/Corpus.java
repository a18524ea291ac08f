package org.loupe.text;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.loupe.io.BadInput;

/** Documents by number, read when asked for. */
public interface Corpus {
    /** What it is, for provenance. */
    String name();

    /** Number of documents. */
    int size();

    /**
     * A document.
     *
     * @throws BadInput naming the file and the byte or line where it is no text
     */
    Document get(int number);

    /** All documents in order. */
    default Stream<Document> documents() {
        return IntStream.range(0, size()).mapToObj(this::get);
    }

    /** The same documents in an order that the seed decides. */
    default Corpus shuffled(long seed) {
        int[] order = IntStream.range(0, size()).toArray();
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = order.length - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int held = order[i];
            order[i] = order[j];
            order[j] = held;
        }
        return new Selection(this, order);
    }

    /** Documents [from, to). */
    default Corpus range(int from, int to) {
        return new Selection(this, IntStream.range(from, to).toArray());
    }

    /** Some documents of a corpus in some order. */
    record Selection(Corpus of, int[] order) implements Corpus {
        @Override
        public String name() {
            return of.name();
        }

        @Override
        public int size() {
            return order.length;
        }

        @Override
        public Document get(int number) {
            return of.get(order[number]);
        }
    }

    /** Documents in memory. */
    record InMemory(String name, List<Document> list) implements Corpus {
        public InMemory {
            list = List.copyOf(list);
        }

        @Override
        public int size() {
            return list.size();
        }

        @Override
        public Document get(int number) {
            return list.get(number);
        }
    }

    /**
     * How JSON-lines are read.
     *
     * @param text field with the text
     * @param label field with the category; empty for none
     */
    record Fields(String text, String label) {
        public static final Fields DEFAULT = new Fields("text", "");
    }

    /**
     * The corpus that sources name together: {@code wordnet}, a folder (its *.txt and *.md files), a JSON-lines file (*.jsonl,
     * *.ndjson) or any other file as one text.
     *
     * @throws BadInput for a source that is none of these or has no text
     */
    static Corpus of(List<String> sources, Fields fields) {
        List<Corpus> parts = new ArrayList<>();
        for (String source : sources) {
            parts.add(one(source, fields));
        }
        if (parts.isEmpty()) {
            throw new BadInput("no text is named; try 'wordnet', a file or a folder");
        }
        return parts.size() == 1 ? parts.getFirst() : new Joined(parts);
    }

    private static Corpus one(String source, Fields fields) {
        if (source.equals(WordNet.NAME)) {
            return WordNet.corpus();
        }
        Path path = Path.of(source);
        if (Files.isDirectory(path)) {
            return TextFiles.folder(path);
        }
        if (!Files.isRegularFile(path)) {
            throw new BadInput(
                    "unknown text '" + source + "': it is neither '" + WordNet.NAME + "' nor a file or folder");
        }
        String lower = source.toLowerCase(Locale.ROOT);
        return lower.endsWith(".jsonl") || lower.endsWith(".ndjson")
                ? JsonLines.open(path, fields)
                : TextFiles.file(path);
    }

    /** Several corpora, one after the other. */
    record Joined(List<Corpus> parts) implements Corpus {
        public Joined {
            parts = List.copyOf(parts);
        }

        @Override
        public String name() {
            return String.join(", ", parts.stream().map(Corpus::name).toList());
        }

        @Override
        public int size() {
            return parts.stream().mapToInt(Corpus::size).reduce(0, Math::addExact);
        }

        @Override
        public Document get(int number) {
            int rest = number;
            for (Corpus part : parts) {
                if (rest < part.size()) {
                    return part.get(rest);
                }
                rest -= part.size();
            }
            throw new IndexOutOfBoundsException("document " + number + " of " + size());
        }
    }
}
