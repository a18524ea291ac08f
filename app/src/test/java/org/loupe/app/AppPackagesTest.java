package org.loupe.app;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** Commands start the explorer; the explorer knows no command, and the libraries know neither. */
final class AppPackagesTest {
    private final JavaClasses all = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("org.loupe");

    @Test
    void theExplorerKnowsNoCommand() {
        noClasses()
                .that()
                .resideInAPackage("org.loupe.app.web..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.loupe.app")
                .allowEmptyShould(true)
                .check(all);
    }

    @Test
    void theLibrariesKnowNoApplication() {
        noClasses()
                .that()
                .resideOutsideOfPackages("org.loupe.app..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.loupe.app..", "picocli..", "io.javalin..")
                .check(all);
    }
}
