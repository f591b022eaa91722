/* SPDX-License-Identifier: MIT
 *
 * flashport image check.
 */
#include "cli/image/findings.h"
#include "cli/image/image.h"

#include <stdio.h>

static void tell(struct fpc_image *image, const struct fpc_findings *findings)
{
    if (image->json)
        fpc_image_answer(fpc_findings_json(findings));
    else
        fpc_findings_sum(findings);
}

int fpc_image_check(struct fpc_image *image)
{
    struct fpc_findings findings;
    int err, status = fpc_image_open(image);

    if (status)
        return status;
    err =
        fpc_findings_run(&findings, &image->host.vol.mnt, FP_STEP_CHECK,
                         image->json ? FPC_FINDINGS_KEEP : FPC_FINDINGS_PRINT);
    if (err)
        status = fpc_image_failed(image, "check", err);
    else
        tell(image, &findings);
    if (status == FPC_EXIT_OK && findings.step.errors) {
        fpc_image_say_cut(image); /* then that is why */
        status = FPC_EXIT_REFUSED;
    }
    fpc_findings_free(&findings);
    fpc_image_close(image);
    return status;
}
