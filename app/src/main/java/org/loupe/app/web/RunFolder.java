package org.loupe.app.web;

import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.loupe.index.IndexInfo;
import org.loupe.io.BadInput;
import org.loupe.sae.SaeFolder;

/**
 * Where the explorer finds what it shows: a run folder ({@code index/}, and where they are there {@code sae/},
 * {@code eval.json}, {@code report.html}), an SAE folder with an index inside ({@code cfg.json}, {@code index/}), or an index.
 *
 * @param name what to call it
 * @param index the feature index
 * @param sae the SAE; null where there is none beside the index
 * @param eval results of {@code loupe eval}, or null
 * @param report the report page, or null
 */
record RunFolder(
        String name,
        Path index,
        @Nullable Path sae,
        @Nullable Path eval,
        @Nullable Path report) {
    static RunFolder of(Path folder) {
        Path root = folder.toAbsolutePath().normalize();
        if (!Files.isDirectory(root)) {
            throw BadInput.in(folder, "no such folder");
        }
        String name = String.valueOf(root.getFileName());
        if (Files.isRegularFile(root.resolve(IndexInfo.FILE))) {
            return new RunFolder(name, root, null, null, null);
        }
        Path index = root.resolve("index");
        if (!Files.isRegularFile(index.resolve(IndexInfo.FILE))) {
            throw BadInput.in(
                    folder, "has no feature index (index/" + IndexInfo.FILE + "); make one with `loupe index`");
        }
        Path sae = Files.isRegularFile(root.resolve(SaeFolder.CONFIG)) ? root : root.resolve("sae");
        return new RunFolder(
                name,
                index,
                Files.isRegularFile(sae.resolve(SaeFolder.CONFIG)) ? sae : null,
                existing(root.resolve("eval.json")),
                existing(root.resolve("report.html")));
    }

    private static @Nullable Path existing(Path file) {
        return Files.isRegularFile(file) ? file : null;
    }
}
