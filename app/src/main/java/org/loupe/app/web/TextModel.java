package org.loupe.app.web;

import org.loupe.causal.Firings;
import org.loupe.tensor.Matrix;

/** What the text box needs of a language model. Thread-safe. */
interface TextModel extends AutoCloseable {
    /** The ids of a text. */
    int[] encode(String text);

    /** The text of a token id, leading space kept. */
    String piece(int id);

    /** Rows at the SAE's hook point, one for each token; the prefix the model sees before them has none. */
    Matrix rows(int[] ids);

    /**
     * What each firing adds to the text's cross-entropy where it is taken out, to first order, nats; row numbers are places in the
     * text. Empty where that is not known: of a single token, and of an SAE that cannot be spliced in.
     */
    Firings effects(int[] ids);

    /** Most tokens it takes. */
    int limit();

    @Override
    void close();
}
