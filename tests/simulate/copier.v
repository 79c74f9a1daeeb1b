// A device for testing the simulation harness and the driver: the accelerator's ports and a few of
// its registers around a machine that copies 64 bus words from BASE + PROGRAM to the 4 KiB page
// after next, in bursts of 8. The WATCHDOG register chooses one way of breaking AXI, 0 none.
module hwgen #(parameter BUS = 64, HASH = 0) (
    input aclk, input aresetn, output irq,
    input [11:0] s_axi_awaddr, input [2:0] s_axi_awprot, input s_axi_awvalid, output s_axi_awready,
    input [31:0] s_axi_wdata, input [3:0] s_axi_wstrb, input s_axi_wvalid, output s_axi_wready,
    output [1:0] s_axi_bresp, output reg s_axi_bvalid, input s_axi_bready,
    input [11:0] s_axi_araddr, input [2:0] s_axi_arprot, input s_axi_arvalid, output s_axi_arready,
    output reg [31:0] s_axi_rdata, output [1:0] s_axi_rresp, output reg s_axi_rvalid,
    input s_axi_rready,
    output m_axi_awid, output [31:0] m_axi_awaddr, output [7:0] m_axi_awlen,
    output [2:0] m_axi_awsize, output [1:0] m_axi_awburst, output m_axi_awlock,
    output [3:0] m_axi_awcache, output [2:0] m_axi_awprot, output [3:0] m_axi_awqos,
    output m_axi_awvalid, input m_axi_awready,
    output [BUS-1:0] m_axi_wdata, output [BUS/8-1:0] m_axi_wstrb, output m_axi_wlast,
    output m_axi_wvalid, input m_axi_wready,
    input m_axi_bid, input [1:0] m_axi_bresp, input m_axi_bvalid, output m_axi_bready,
    output m_axi_arid, output [31:0] m_axi_araddr, output [7:0] m_axi_arlen,
    output [2:0] m_axi_arsize, output [1:0] m_axi_arburst, output m_axi_arlock,
    output [3:0] m_axi_arcache, output [2:0] m_axi_arprot, output [3:0] m_axi_arqos,
    output m_axi_arvalid, input m_axi_arready,
    input m_axi_rid, input [BUS-1:0] m_axi_rdata, input [1:0] m_axi_rresp, input m_axi_rlast,
    input m_axi_rvalid, output m_axi_rready
);
    localparam BURST = BUS;  // bytes: 8 beats of BUS / 8

    reg [31:0] base, source, cycles, info;
    reg [1:0] enable, cause;
    reg [3:0] code;
    reg [2:0] bug;
    reg reading, writing, toggle;
    reg [3:0] ar_bursts, aw_bursts, responses;
    reg [6:0] r_beats, w_beats;
    reg [BUS-1:0] buffer [0:63];

    // Registers.
    wire write = s_axi_awvalid && s_axi_wvalid && !s_axi_bvalid;
    assign s_axi_awready = write, s_axi_wready = write, s_axi_bresp = 0, s_axi_rresp = 0;
    assign s_axi_arready = !s_axi_rvalid;
    assign irq = |(cause & enable);
    wire start = write && s_axi_awaddr == 12'h040 && s_axi_wdata[0] && !code;

    always @(posedge aclk) begin
        if (s_axi_bready) s_axi_bvalid <= 0;
        if (s_axi_rready) s_axi_rvalid <= 0;
        if (s_axi_arvalid && s_axi_arready) begin
            s_axi_rvalid <= 1;
            case (s_axi_araddr)
                12'h000: s_axi_rdata <= 32'h4E475748;
                12'h008: s_axi_rdata <= HASH;
                12'h044: s_axi_rdata <= code != 0 ? 4 : 0;
                12'h04C: s_axi_rdata <= cause;
                12'h060: s_axi_rdata <= code;
                12'h064: s_axi_rdata <= info;
                12'h06C: s_axi_rdata <= ar_bursts;
                12'h100: s_axi_rdata <= cycles;
                default: s_axi_rdata <= 0;
            endcase
        end
        if (write) begin
            s_axi_bvalid <= 1;
            case (s_axi_awaddr)
                12'h048: enable <= s_axi_wdata;
                12'h04C: cause <= cause & ~s_axi_wdata[1:0];
                12'h050: base <= s_axi_wdata;
                12'h058: source <= s_axi_wdata;
                12'h05C: bug <= s_axi_wdata;
                default: ;
            endcase
        end
        // The machine.
        cycles <= start ? 0 : cycles + (reading || writing);
        toggle <= !toggle;
        if (start) begin
            reading <= 1;
            ar_bursts <= 0; aw_bursts <= 0; responses <= 0; r_beats <= 0; w_beats <= 0;
        end
        if (m_axi_arvalid && m_axi_arready) ar_bursts <= ar_bursts + 1;
        if (m_axi_rvalid && m_axi_rready) begin
            buffer[r_beats] <= m_axi_rdata;
            r_beats <= r_beats + 1;
            if (m_axi_rresp) begin code <= 1; info <= base + source + r_beats * (BUS / 8); end
            if (r_beats == 63) begin
                reading <= 0;
                if (code || m_axi_rresp) cause[1] <= 1; else writing <= 1;
            end
        end
        if (m_axi_awvalid && m_axi_awready) aw_bursts <= aw_bursts + 1;
        if (m_axi_wvalid && m_axi_wready) w_beats <= w_beats + 1;
        if (m_axi_bvalid && m_axi_bready) begin
            responses <= responses + 1;
            if (m_axi_bresp) begin
                code <= 2;
                info <= base + source + 32'h2000 + responses * BURST;
            end
            if (responses == 7) begin
                writing <= 0;
                cause[(code || m_axi_bresp) ? 1 : 0] <= 1;
            end
        end
        if (!aresetn || (write && s_axi_awaddr == 12'h040 && s_axi_wdata[1])) begin
            code <= 0; reading <= 0; writing <= 0; toggle <= 0; cycles <= 0;
        end
        if (!aresetn) begin
            s_axi_bvalid <= 0; s_axi_rvalid <= 0; enable <= 0; cause <= 0; base <= 0; bug <= 0;
        end
    end

    wire hide = bug == 4 && toggle;
    assign m_axi_arvalid = reading && ar_bursts != 8;
    assign m_axi_araddr = base + source + ar_bursts * BURST + (bug == 2 && toggle ? BURST : 0);
    assign m_axi_rready = 1;
    assign m_axi_awvalid = writing && aw_bursts != 8 && !hide;
    assign m_axi_awaddr = base + source + 32'h2000 + aw_bursts * BURST;
    assign m_axi_wvalid = writing && w_beats != 64 && w_beats < 8 * aw_bursts;
    assign m_axi_wdata = buffer[w_beats] ^ (bug == 5 && toggle);
    assign m_axi_wlast = bug == 3 ? w_beats[1:0] == 3 : w_beats[2:0] == 7;
    assign m_axi_wstrb = ~0;
    assign m_axi_bready = 1;
    assign m_axi_arlen = 7, m_axi_awlen = 7;
    assign m_axi_arsize = $clog2(BUS / 8), m_axi_awsize = $clog2(BUS / 8);
    assign m_axi_arburst = 1, m_axi_awburst = bug == 6 ? 2 : 1;
    assign m_axi_arid = 0, m_axi_awid = 0, m_axi_arlock = 0, m_axi_awlock = 0;
    assign m_axi_arcache = 3, m_axi_awcache = 3, m_axi_arprot = 0, m_axi_awprot = 0;
    assign m_axi_arqos = 0, m_axi_awqos = 0;
endmodule
