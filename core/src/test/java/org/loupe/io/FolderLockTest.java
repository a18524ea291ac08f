package org.loupe.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class FolderLockTest {
    private static final String COUNT = "count";

    @TempDir
    Path folder;

    /** The child: counts in a file so many times, each time with the lock; refusals are tried again. */
    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        for (int left = Integer.parseInt(args[1]); left > 0; ) {
            try (FolderLock _ = FolderLock.take(folder)) {
                Path file = folder.resolve(COUNT);
                int count = Integer.parseInt(Files.readString(file));
                Files.writeString(file, String.valueOf(count + 1));
                left--;
            } catch (BadInput taken) {
                Thread.onSpinWait();
            }
        }
    }

    private Process child(int times) throws IOException {
        return new ProcessBuilder(
                        ProcessHandle.current().info().command().orElseThrow(),
                        "-Xmx64m",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                        FolderLockTest.class.getName(),
                        folder.toString(),
                        String.valueOf(times))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    @Test
    @Timeout(120)
    void processesThatMeetWhileTheFileIsRemovedCountOneAfterTheOther() throws IOException, InterruptedException {
        Files.writeString(folder.resolve(COUNT), "0");
        List<Process> children = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            children.add(child(500));
        }
        for (Process child : children) {
            assertEquals(0, child.waitFor());
        }
        assertEquals("1500", Files.readString(folder.resolve(COUNT)));
    }

    /** A second try in this process must not let go of what the first one holds. */
    @Test
    @Timeout(120)
    void aRefusedSecondTryKeepsOtherProcessesOut() throws IOException, InterruptedException {
        Files.writeString(folder.resolve(COUNT), "0");
        Process child;
        try (FolderLock _ = FolderLock.take(folder)) {
            BadInput refusal = assertThrows(BadInput.class, () -> FolderLock.take(folder.resolve(".")));
            assertTrue(String.valueOf(refusal.getMessage()).contains("is writing there"), refusal.getMessage());
            child = child(1);
            assertFalse(child.waitFor(3, java.util.concurrent.TimeUnit.SECONDS));
            assertEquals("0", Files.readString(folder.resolve(COUNT)));
        }
        assertEquals(0, child.waitFor());
        assertEquals("1", Files.readString(folder.resolve(COUNT)));
        assertFalse(Files.exists(folder.resolve(FolderLock.FILE)));
    }
}
