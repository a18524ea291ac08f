package org.loupe.lm;

import java.util.Arrays;

/**
 * The alphabet of byte-level BPE (GPT-2, Radford et al. 2019): each of the 256 bytes as one printable character. Bytes that are
 * printable in Latin-1 stand for themselves; the others, in order, are the characters from U+0100 on.
 */
final class ByteLevel {
    private static final int[] BYTES = new int[0x100 + 68];

    static {
        Arrays.fill(BYTES, -1);
        int next = 0x100;
        for (int value = 0; value < 256; value++) {
            boolean printable = (value >= 0x21 && value <= 0x7E) || (value >= 0xA1 && value <= 0xFF && value != 0xAD);
            BYTES[printable ? value : next++] = value;
        }
    }

    private ByteLevel() {}

    /** The byte that a character of a piece stands for, or −1. */
    static int toByte(char c) {
        return c < BYTES.length ? BYTES[c] : -1;
    }
}
