package org.loupe.lm;

/** The weights of the transformer; those of a block occur once in each. */
enum Weight {
    EMBED(false),
    ATTENTION_NORM(true),
    QUERY(true),
    KEY(true),
    VALUE(true),
    ATTENTION_OUT(true),
    MLP_NORM(true),
    GATE(true),
    UP(true),
    DOWN(true),
    FINAL_NORM(false),
    UNEMBED(false);

    private final boolean inBlock;

    Weight(boolean inBlock) {
        this.inBlock = inBlock;
    }

    boolean inBlock() {
        return inBlock;
    }
}
