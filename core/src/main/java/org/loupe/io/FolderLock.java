package org.loupe.io;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The right to write in a folder, held by one process at a time, and there once. It is a lock of the operating system on {@value #FILE}, which goes
 * with the process however that ends; the file that a killed process leaves behind locks nothing.
 */
public final class FolderLock implements AutoCloseable {
    public static final String FILE = ".lock";

    /** Folders that this process holds. It must not open their files again: to close one of two channels drops the lock of both. */
    private static final Set<Path> HELD = ConcurrentHashMap.newKeySet();

    private final Path folder;
    private final FileChannel channel;

    private FolderLock(Path folder, FileChannel channel) {
        this.folder = folder;
        this.channel = channel;
    }

    /**
     * Takes the lock, without waiting.
     *
     * @param folder made where it is missing
     * @throws BadInput where another process has it, this one has it already, or the folder is a file
     * @throws UncheckedIOException where the disk refuses, or its file system has no locks
     */
    public static FolderLock take(Path folder) {
        if (Files.exists(folder) && !Files.isDirectory(folder)) {
            throw BadInput.in(folder, "is a file, expected a folder");
        }
        try {
            Files.createDirectories(folder);
            Path real = folder.toRealPath();
            if (!HELD.add(real)) {
                throw taken(folder);
            }
            try {
                return new FolderLock(real, locked(folder, real.resolve(FILE)));
            } catch (IOException | RuntimeException e) {
                HELD.remove(real);
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot lock " + folder.resolve(FILE) + ": " + e.getMessage(), e);
        }
    }

    private static BadInput taken(Path folder) {
        return BadInput.in(folder, "another process is writing there: wait for it to end, or choose another folder");
    }

    private static FileChannel locked(Path folder, Path file) throws IOException {
        while (true) {
            String before = identity(file);
            FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                if (channel.tryLock() == null) {
                    throw taken(folder);
                }
                // Whoever had it may have removed the file after it was opened here; a lock on that is none.
                if (!before.isEmpty() && before.equals(identity(file))) {
                    return channel;
                }
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
            channel.close();
        }
    }

    /** Tells a file from another of its name; empty where there is none. */
    private static String identity(Path file) throws IOException {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return attributes.fileKey() + " " + attributes.creationTime();
        } catch (NoSuchFileException e) {
            return "";
        }
    }

    /** Removes the file, then lets go. */
    @Override
    public void close() {
        Path file = folder.resolve(FILE);
        try (channel) {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot unlock " + file + ": " + e.getMessage(), e);
        } finally {
            HELD.remove(folder);
        }
    }
}
