package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.function.Executable;
import org.loupe.io.BadInput;

final class Refused {
    private Refused() {}

    /** The message of the refusal that running this must give. */
    static String message(Executable executable) {
        return String.valueOf(assertThrows(BadInput.class, executable).getMessage());
    }
}
