package org.loupe.app;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * The virtual machine writes a line about the incubating Vector API before {@code main}; the start script lets it run with a
 * filter as error stream and passes the true one as descriptor 3, which is put in place here.
 */
final class ErrorStream {
    private static final int TRUE_STREAM = 3;
    private static final int ERROR_STREAM = 2;

    private ErrorStream() {}

    /** Does nothing where the start script did not ask for it. */
    @SuppressWarnings("restricted") // dup2 changes a descriptor of the process, as is its purpose here
    static void restore() {
        if (!Boolean.getBoolean("loupe.filtered")) {
            return;
        }
        Linker linker = Linker.nativeLinker();
        MethodHandle dup2 = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("dup2"),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        try {
            int result = (int) dup2.invokeExact(TRUE_STREAM, ERROR_STREAM);
            if (result < 0) {
                throw new IllegalStateException("descriptor 3 is not open");
            }
        } catch (Throwable e) {
            throw new IllegalStateException("cannot take the error stream back: " + e.getMessage(), e);
        }
    }
}
