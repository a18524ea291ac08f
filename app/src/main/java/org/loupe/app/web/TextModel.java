package org.loupe.app.web;

import org.loupe.tensor.Matrix;

/** What the text box needs of a language model. Thread-safe. */
interface TextModel extends AutoCloseable {
    /** The ids of a text. */
    int[] encode(String text);

    /** The text of a token id, leading space kept. */
    String piece(int id);

    /** Rows at the SAE's hook point, one for each token; the prefix the model sees before them has none. */
    Matrix rows(int[] ids);

    /** Most tokens it takes. */
    int limit();

    @Override
    void close();
}
