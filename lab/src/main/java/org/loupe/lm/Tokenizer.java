package org.loupe.lm;

import java.util.OptionalInt;

/** Text to token ids and back. */
@SuppressWarnings("DoNotCallSuggester") // bodies follow
public final class Tokenizer implements AutoCloseable {
    Tokenizer() {}

    /** The ids of a text, with no token added before or after it. */
    public int[] encode(String text) {
        throw new UnsupportedOperationException(text);
    }

    /** The text of ids, special tokens included. */
    public String decode(int... ids) {
        throw new UnsupportedOperationException("decode " + ids.length);
    }

    /** One token as a reader sees it: its text, or its bytes as {@code \xNN} where they are no whole characters. */
    public String token(int id) {
        throw new UnsupportedOperationException("token " + id);
    }

    /** Number of token ids, added special tokens included. */
    public int vocabulary() {
        throw new UnsupportedOperationException("vocabulary");
    }

    /** The token that begins a text, where the model has one. */
    public OptionalInt bos() {
        throw new UnsupportedOperationException("bos");
    }

    /** The token that ends a text, where the model has one. */
    public OptionalInt eos() {
        throw new UnsupportedOperationException("eos");
    }

    @Override
    public void close() {}
}
