package org.loupe.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class WordNetTest {
    @Test
    void everySynsetOfTheDictionaryIsRead() {
        List<Document> all = Stream.of("data.noun", "data.verb", "data.adj", "data.adv")
                .flatMap(file -> WordNet.read(file).stream())
                .toList();
        assertEquals(117_791, all.size());
        assertEquals(45, all.stream().map(Document::label).distinct().count());
        long examples =
                all.stream().mapToLong(d -> d.text().lines().count() - 1).sum();
        // 48,571 quotations stand in the glosses; 16 of them inside a definition.
        assertTrue(examples > 48_540 && examples <= 48_571, examples + " examples");
    }

    @Test
    void textsAreDistinctAndTheOrderIsTheSeeds() {
        Corpus corpus = WordNet.corpus();
        Set<String> texts = corpus.documents().map(Document::text).collect(Collectors.toCollection(HashSet::new));
        assertEquals(texts.size(), corpus.size());
        assertTrue(corpus.size() > 117_000, corpus.size() + " distinct synsets");
        assertEquals(corpus.shuffled(1).get(0), WordNet.corpus().shuffled(1).get(0));
        assertNotEquals(corpus.shuffled(1).get(0), corpus.shuffled(2).get(0));
    }

    @Test
    void aSynsetIsLemmasGlossAndExamples() {
        assertEquals(
                new Document("""
                        zonk out: fall asleep fast, as when one is extremely tired.
                        after the long drive, we zonked out and slept for 10 hours
                        """, "verb.body"),
                WordNet.synset(
                        "00016848 29 v 01 zonk_out 0 001 @ 00017275 v 0000 01 + 02 00 | fall asleep fast, as when "
                                + "one is extremely tired; \"after the long drive, we zonked out and slept for 10 hours\"  "));
        assertEquals(
                new Document("galore, in abundance: in great numbers.\n", "adj.all"),
                WordNet.synset("00015 00 s 02 galore(ip) 0 in_abundance 0 001 & 00013906 a 0000 | in great numbers  "));
        assertEquals(
                new Document(
                        "carrot: promise of reward as in \"carrot and stick\".\nused the carrot\nshe had a carrot\n",
                        "noun.communication"),
                WordNet.synset("07 10 n 01 carrot 1 000 | promise of reward as in \"carrot and stick\"; "
                        + "\"used the carrot\"; \"she had a carrot\"  "));
    }
}
